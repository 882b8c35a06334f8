package sqlitefile

import "runtime"

// AwaitWaiting returns when n calls of Write wait.
func AwaitWaiting(f *File, n int) {
	for {
		f.writer.mu.Lock()
		waits := len(f.writer.queue)
		f.writer.mu.Unlock()
		if waits >= n {
			return
		}
		runtime.Gosched()
	}
}

// WithPragmas adds settings to the writer's connection.
func (o Options) WithPragmas(pragmas ...string) Options {
	o.pragmas = pragmas
	return o
}

// NewestVersion is the schema version of this build.
func NewestVersion() int { return len(migrations) }
