// Package lexical is the embedder that needs no network and no key: a text is the
// words, the character n-grams and the stack frames that are in it, weighted by
// how rare they are.
//
// Prose has two blocks. Words are stemmed, taken apart at their humps, and what
// people use for the same thing when they report a problem ("log in", "sign in")
// counts as one concept (concepts.txt). Character 3- to 5-grams catch typing
// errors, compounds and languages that the stemmer does not know. Each block is
// sublinear counts times inverse document frequency (Salton and Buckley 1988),
// brought to length 1, and the two are mixed.
//
// A stack trace is a bag of its calls, newest first from the root cause, each
// weighing less the further away it is; of the exceptions' types; and of the
// words in their messages and names. Words are the same terms in both, so that a
// trace and a complaint about it are a little alike.
//
// Terms are hashed with a sign into a fixed number of dimensions (Weinberger et
// al. 2009). Document frequencies are frozen in weights.bin: live ones would make
// old vectors wrong. They were counted by the command in weights, with
//
//	xz -dc title_body_pairs.tsv.xz | go run ./engine/embed/lexical/weights > engine/embed/lexical/weights.bin
//
// from the titles and beginnings of 560,000 posts in umbrae/reddit-top-2.5-million,
// which is dedicated to the public domain (PDDL). Whoever changes the weights, the
// word lists or how features are made changes [Name] too.
package lexical
