// Package intake is where feedback becomes the app's: it finds the project that
// a reading belongs to, folds it into what is known, and makes due what that
// puts out of date, all in one batch, before anyone is told that it was accepted.
//
// What no route names is held in the installation's space until a route does.
package intake
