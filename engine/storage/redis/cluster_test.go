package redis_test

import (
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

// TestCluster runs the suite on a cluster of one node that holds all slots. A
// script whose keys are in two slots is refused by any cluster, so this also
// shows that all keys of a space are in one.
func TestCluster(t *testing.T) {
	t.Parallel()
	server := storagetest.Redis(t, "--cluster-enabled", "yes")
	client := raw(t, server.Addr)
	if err := client.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	for state := ""; !strings.Contains(state, "cluster_state:ok"); {
		var err error
		if state, err = client.ClusterInfo(t.Context()).Result(); err != nil {
			t.Fatal(err)
		}
	}
	storagetest.Run(t, func(t *testing.T) storage.DB {
		flush(t, server)
		return open(t, server.URL+"?addr="+server.Addr)
	})
}
