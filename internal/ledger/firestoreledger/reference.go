package firestoreledger

import (
	"context"
	"crypto/rand"
	"fmt"

	"cloud.google.com/go/firestore"

	"gamefill/internal/ledger"
)

// chunkRefs are the documents of one upload. Every upload has a name of its own, which the run names: chunks of a run
// that was refused, or of an upload that was cut off, belong to nobody.
func (l *Ledger) chunkRefs(run, upload string, n int) []*firestore.DocumentRef {
	var refs []*firestore.DocumentRef
	for i := range n {
		refs = append(refs, l.runRef(run).Collection(registry).Doc(fmt.Sprintf("%s-%03d", upload, i)))
	}
	return refs
}

// upload stores a reference snapshot and returns the names of its chunks. remove takes it back.
func (l *Ledger) upload(ctx context.Context, run string,
	reference []byte) (upload string, chunks int, remove func(), err error) {
	packed, err := ledger.PackReference(reference)
	if err != nil {
		return "", 0, nil, fmt.Errorf("pack reference: %w", err)
	}
	upload = rand.Text()
	refs := l.chunkRefs(run, upload, len(packed))
	remove = func() { // what stays behind is in nobody's way
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeWithin)
		defer cancel()
		for _, ref := range refs {
			_, _ = ref.Delete(ctx)
		}
	}
	for i, content := range packed {
		err := l.change(ctx, refs[i:i+1], func(d documents) ([]write, error) {
			return []write{put(d.snaps[0], fields{"content": content})}, nil
		})
		if err != nil {
			remove()
			return "", 0, nil, fmt.Errorf("store chunk %d of the reference: %w", i, err)
		}
	}
	return upload, len(packed), remove, nil
}

// Reference implements [ledger.Runs].
func (l *Ledger) Reference(ctx context.Context, id string) ([]byte, error) {
	reference, err := l.reference(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read reference of run %q: %w", id, err)
	}
	return reference, nil
}

func (l *Ledger) reference(ctx context.Context, id string) ([]byte, error) {
	d, err := l.read(ctx, l.runRef(id))
	if err != nil {
		return nil, err
	}
	run, ok, err := runOf(d.snaps[0])
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, ledger.ErrNoRun
	}
	if d, err = l.read(ctx, l.chunkRefs(id, run.upload, run.chunks)...); err != nil {
		return nil, err
	}
	var chunks [][]byte
	for i, s := range d.snaps {
		var chunk struct {
			Content []byte `firestore:"content"`
		}
		if err := s.DataTo(&chunk); err != nil {
			return nil, fmt.Errorf("chunk %d: %w", i, err)
		}
		chunks = append(chunks, chunk.Content)
	}
	return ledger.UnpackReference(chunks)
}
