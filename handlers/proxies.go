package handlers

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Behind has requests that came through proxies one can trust seem to come from whoever
// sent them to the first of these: that is who is slowed down for guessing. Each proxy
// adds the address that it was asked from to the end of X-Forwarded-For; what stands
// before the first address that is no trusted proxy's, its sender may have made up.
func Behind(proxies []netip.Prefix, next http.Handler) http.Handler {
	if len(proxies) == 0 {
		return next
	}
	trusted := func(at netip.Addr) bool {
		return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(at) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		at := from.Addr().Unmap().WithZone("")
		passed := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for i := len(passed) - 1; i >= 0 && err == nil && trusted(at); i-- {
			before, err := netip.ParseAddr(strings.TrimSpace(passed[i]))
			if err != nil {
				break
			}
			at = before.Unmap().WithZone("")
		}
		if err == nil && at != from.Addr() {
			r = r.Clone(r.Context())
			r.RemoteAddr = net.JoinHostPort(at.String(), "0")
		}
		next.ServeHTTP(w, r)
	})
}
