//go:build race

package feed

// raceDetector slows every line down more than tenfold. The real files go through once then: an import has one
// goroutine, and the small files of the other tests do all the rest.
const raceDetector = true
