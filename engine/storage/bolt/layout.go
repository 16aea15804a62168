package bolt

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"go.etcd.io/bbolt"

	"github.com/soulcaster/soulcaster/engine/storage"
)

var (
	aboutBucket  = []byte("about")
	formatKey    = []byte("format")
	probeKey     = []byte("probe") // when a write was last tried after one had failed
	spacesBucket = []byte("spaces")
	dataBucket   = []byte("data")
)

// prepare makes the buckets of a new file, and refuses a file that is not ours.
func prepare(file *bbolt.DB, folder string) error {
	fresh := false
	err := file.View(func(tx *bbolt.Tx) error {
		about := tx.Bucket(aboutBucket)
		if about == nil {
			if first, _ := tx.Cursor().First(); first != nil {
				return errors.New("the file belongs to another program: choose another file")
			}
			fresh = true
			return nil
		}
		found, err := strconv.Atoi(string(about.Get(formatKey)))
		if err != nil {
			return fmt.Errorf("read format: %w", err)
		}
		if found != storage.Format {
			return &storage.FormatError{Found: found, Want: storage.Format}
		}
		return nil
	})
	if err != nil || !fresh {
		return err
	}
	err = file.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{aboutBucket, spacesBucket, dataBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(aboutBucket).Put(formatKey, []byte(strconv.Itoa(storage.Format)))
	})
	if err != nil {
		return fmt.Errorf("lay out new store: %w", err)
	}
	return syncFolder(folder)
}

// syncFolder makes a new file's name survive a power cut; bbolt syncs only what
// is in the file.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return fmt.Errorf("sync folder of store: %w", err)
	}
	if err := f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync folder of store: %w", err), f.Close())
	}
	return f.Close()
}
