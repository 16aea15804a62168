package config

import "github.com/goccy/go-yaml/ast"

// Quotas is how much one installation may use of the app, beside runs. Days and
// months are those of UTC.
type Quotas struct {
	ReportsPerDay int // what its sources send, known or new
	Clusters      int // in all of its projects
	Megabytes     int // stored, of a million bytes
	Dollars       int // a month, for vectors and questions, where the model's price is known
}

// defaultQuotas hold where the file says nothing.
func defaultQuotas() Quotas {
	return Quotas{ReportsPerDay: 100_000, Clusters: 20_000, Megabytes: 5_000, Dollars: 50}
}

// quotas reads what an installation may use, over what holds already.
func (r *reader) quotas(n ast.Node, at string, to *Quotas) {
	keys := make(map[string]func(ast.Node))
	for _, k := range []struct {
		name string
		most int
		to   *int
	}{
		{"reports_per_day", 100_000_000, &to.ReportsPerDay}, {"clusters", 1_000_000, &to.Clusters},
		{"stored_megabytes", 100_000_000, &to.Megabytes}, {"dollars_per_month", 1_000_000, &to.Dollars},
	} {
		keys[k.name] = func(n ast.Node) { r.number(n, at+"."+k.name, 1, k.most, k.to) }
	}
	r.fields(n, at, keys)
}

// QuotasOf returns what an installation may use.
func (c *Config) QuotasOf(installation int64) Quotas {
	for _, i := range c.Installations {
		if i.ID == installation {
			return i.Quotas
		}
	}
	return c.Quotas
}
