// Package fetch asks servers that a tenant names, such as his Sentry, and does so
// as one talks to a stranger: over TLS, at public addresses only, without
// following redirects, for a bounded time and a bounded answer.
//
// What the operator allows by name may be at a private address. An error never
// holds a header, a query or an address.
package fetch
