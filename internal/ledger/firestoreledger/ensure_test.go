package firestoreledger_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"cloud.google.com/go/firestore/apiv1/admin/adminpb"
	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"gamefill/internal/ledger/firestoreledger"
	"gamefill/internal/setup"
)

// service answers the calls that Ensure makes, in place of Firestore, which no emulator does.
type service struct {
	mu       sync.Mutex // guards what follows
	database *adminpb.Database
	indexes  map[string][]*adminpb.Index // by parent
	fields   map[string]*adminpb.Field
	refuse   string         // the method that is refused, by the end of its name
	flaky    map[string]int // by the end of a method's name, how often it is still aborted
}

func newService() *service {
	return &service{database: &adminpb.Database{Type: adminpb.Database_FIRESTORE_NATIVE},
		indexes: map[string][]*adminpb.Index{},
		fields:  map[string]*adminpb.Field{}, flaky: map[string]int{}}
}

func (s *service) permit(method string) error {
	_, method, _ = strings.Cut(strings.TrimPrefix(method, "/"), "/")
	if method == s.refuse {
		return status.Error(codes.PermissionDenied, "as told")
	}
	if s.flaky[method] > 0 {
		s.flaky[method]--
		return status.Error(codes.Aborted, "underlying data changed")
	}
	return nil
}

func (s *service) unary(_ context.Context, method string, req, reply any, _ *grpc.ClientConn, _ grpc.UnaryInvoker,
	_ ...grpc.CallOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.permit(method); err != nil {
		return err
	}
	switch req := req.(type) {
	case *adminpb.GetDatabaseRequest:
		if s.database == nil || req.GetName() != "projects/project/databases/ledger" {
			return status.Error(codes.NotFound, "no such database")
		}
		proto.Merge(reply.(proto.Message), s.database)
	case *adminpb.ListIndexesRequest:
		proto.Merge(reply.(proto.Message), &adminpb.ListIndexesResponse{Indexes: s.indexes[req.GetParent()]})
	case *adminpb.CreateIndexRequest:
		index := proto.CloneOf(req.GetIndex())
		index.State = adminpb.Index_CREATING
		index.Fields = append(index.Fields, &adminpb.Index_IndexField{FieldPath: "__name__",
			ValueMode: &adminpb.Index_IndexField_Order_{Order: adminpb.Index_IndexField_DESCENDING}})
		s.indexes[req.GetParent()] = append(s.indexes[req.GetParent()], index)
	case *adminpb.GetFieldRequest:
		field := s.fields[req.GetName()]
		if field == nil {
			field = &adminpb.Field{IndexConfig: &adminpb.Field_IndexConfig{UsesAncestorConfig: true}}
		}
		proto.Merge(reply.(proto.Message), field)
	case *adminpb.UpdateFieldRequest:
		s.fields[req.GetField().GetName()] = proto.CloneOf(req.GetField())
	default:
		return status.Error(codes.Unimplemented, method)
	}
	return nil
}

// stream answers reads of documents: none is there.
func (s *service) stream(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, method string, _ grpc.Streamer,
	_ ...grpc.CallOption) (grpc.ClientStream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &noDocument{ctx: ctx, refused: s.permit(method)}, nil
}

type noDocument struct {
	grpc.ClientStream
	ctx     context.Context
	refused error
	asked   []string
}

func (n *noDocument) Header() (metadata.MD, error) { return nil, nil }
func (n *noDocument) Trailer() metadata.MD         { return nil }
func (n *noDocument) CloseSend() error             { return nil }
func (n *noDocument) Context() context.Context     { return n.ctx }

func (n *noDocument) SendMsg(m any) error {
	n.asked = m.(*firestorepb.BatchGetDocumentsRequest).GetDocuments()
	return nil
}

func (n *noDocument) RecvMsg(m any) error {
	if n.refused != nil {
		return n.refused
	}
	if len(n.asked) == 0 {
		return io.EOF
	}
	m.(*firestorepb.BatchGetDocumentsResponse).Result = &firestorepb.BatchGetDocumentsResponse_Missing{Missing: n.asked[0]}
	n.asked = n.asked[1:]
	return nil
}

// built ends the building of all indexes.
func (s *service) built() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range s.indexes {
		for _, index := range list {
			index.State = adminpb.Index_READY
		}
	}
}

// ledgerAt is a ledger on the service. Its caller cannot be parallel: it hides the emulator that other tests use.
func ledgerAt(t *testing.T, s *service, prefix string) *firestoreledger.Ledger {
	t.Helper()
	t.Setenv(firestoreledger.EmulatorVariable, "")
	l, err := firestoreledger.New(t.Context(),
		firestoreledger.Options{Project: "project", Database: "ledger", Prefix: prefix,
			Client: []option.ClientOption{option.WithEndpoint("127.0.0.1:1"), option.WithoutAuthentication(),
				option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
				option.WithGRPCDialOption(grpc.WithUnaryInterceptor(s.unary)),
				option.WithGRPCDialOption(grpc.WithStreamInterceptor(s.stream))}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

// ensure calls Ensure and wants so many findings of each state, and nothing else.
func ensure(t *testing.T, l *firestoreledger.Ledger, mode setup.Mode, want map[setup.State]int) []setup.Finding {
	t.Helper()
	findings, err := l.Ensure(t.Context(), mode)
	if err != nil {
		t.Fatal(err)
	}
	got := map[setup.State]int{}
	for _, f := range findings {
		got[f.State]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings by state (-want +got):\n%s\n%+v", diff, findings)
	}
	return findings
}

// find is the finding about a resource.
func find(t *testing.T, findings []setup.Finding, resource string) setup.Finding {
	t.Helper()
	for _, f := range findings {
		if f.Resource == resource {
			return f
		}
	}
	t.Fatalf("got %+v, want a finding about %q", findings, resource)
	return setup.Finding{}
}

func TestEnsureMakesIndexes(t *testing.T) {
	s := newService()
	s.flaky["CreateIndex"], s.flaky["UpdateField"] = 2, 1
	l := ledgerAt(t, s, "")
	n := firestoreledger.NeededIndexes
	for _, mode := range []setup.Mode{setup.DryRun, setup.Check} {
		present := 1
		if mode == setup.Check { // also what this account may read
			present = 2
		}
		for _, f := range ensure(t, l, mode, map[setup.State]int{setup.Present: present, setup.Missing: n}) {
			if f.State == setup.Missing && f.Wanting(mode) != (mode == setup.Check) {
				t.Errorf("%+v: want it left to do by a check alone", f)
			}
		}
	}
	if len(s.indexes)+len(s.fields) > 0 {
		t.Fatalf("looking has made %d collections' indexes and %d fields'", len(s.indexes), len(s.fields))
	}
	ensure(t, l, setup.Make, map[setup.State]int{setup.Present: 1, setup.Created: n})
	f := find(t,
		ensure(t, l, setup.Make,
			map[setup.State]int{setup.Present: 1 + firestoreledger.NeededFields,
				setup.Differs: n - firestoreledger.NeededFields}),
		"index of gamefill_runs by job, newest created_at")
	if f.Seen != "CREATING" || !strings.Contains(f.Advice, "background") {
		t.Errorf("index that is being built: got %+v", f)
	}
	s.built()
	ensure(t, l, setup.Make, map[setup.State]int{setup.Present: 1 + n})
	ensure(t, l, setup.Check, map[setup.State]int{setup.Present: 2 + n})
	if got := s.fields["projects/project/databases/ledger/collectionGroups/dates/fields/facts"]; got == nil ||
		len(got.GetIndexConfig().GetIndexes()) > 0 {
		t.Errorf("facts: got %v, want a field without indexes", got)
	}
}

// TestEnsureWithPrefix: another ledger of the database has indexes of its own, but for subcollections, whose names both
// share.
func TestEnsureWithPrefix(t *testing.T) {
	s := newService()
	ensure(t, ledgerAt(t, s, ""), setup.Make,
		map[setup.State]int{setup.Present: 1, setup.Created: firestoreledger.NeededIndexes})
	s.built()
	findings := ensure(t, ledgerAt(t, s, "staging_"), setup.Make,
		map[setup.State]int{setup.Present: 1 + 2, setup.Created: firestoreledger.NeededIndexes - 2})
	find(t, findings, "index of staging_gamefill_attempts by run, newest ended_at")
	find(t, findings, "single-field indexes of dates, field facts")
}

func TestEnsureReportsWhatDiffers(t *testing.T) {
	s := newService()
	l := ledgerAt(t, s, "")
	ensure(t, l, setup.Make, map[setup.State]int{setup.Present: 1, setup.Created: firestoreledger.NeededIndexes})
	s.built()
	facts := "projects/project/databases/ledger/collectionGroups/dates/fields/facts"
	s.fields[facts].IndexConfig.Indexes = []*adminpb.Index{
		{QueryScope: adminpb.Index_COLLECTION, Fields: []*adminpb.Index_IndexField{
			{FieldPath: "facts", ValueMode: &adminpb.Index_IndexField_Order_{Order: adminpb.Index_IndexField_ASCENDING}}}}}
	runs := s.indexes["projects/project/databases/ledger/collectionGroups/gamefill_runs"]
	runs[0].State = adminpb.Index_NEEDS_REPAIR
	findings := ensure(t, l, setup.Make,
		map[setup.State]int{setup.Present: firestoreledger.NeededIndexes - 1, setup.Differs: 2})
	if f := find(t, findings, "single-field indexes of dates, field facts"); f.Seen != "ascending in collection" ||
		f.Wanted != "none" {
		t.Errorf("indexed facts: got %+v", f)
	}
	if f := find(t, findings, "index of gamefill_runs by job, newest created_at"); f.Seen != "NEEDS_REPAIR" ||
		!strings.Contains(f.Advice, "delete") {
		t.Errorf("broken index: got %+v", f)
	}
	if len(s.fields[facts].GetIndexConfig().GetIndexes()) != 1 {
		t.Errorf("the field's indexes have been changed: %v", s.fields[facts])
	}
}

func TestEnsureWithoutDatabase(t *testing.T) {
	tests := []struct {
		name     string
		database *adminpb.Database
		state    setup.State
		advice   string
	}{
		{"none", nil, setup.Missing,
			"gcloud firestore databases create --project=project --database='ledger' --type=firestore-native " +
				"--location=LOCATION"},
		{"of the other mode", &adminpb.Database{Type: adminpb.Database_DATASTORE_MODE}, setup.Differs,
			"name another database"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newService()
			s.database = tt.database
			for _, mode := range []setup.Mode{setup.Make, setup.DryRun, setup.Check} {
				f := ensure(t, ledgerAt(t, s, ""), mode, map[setup.State]int{tt.state: 1})[0]
				if !strings.Contains(f.Advice, tt.advice) || !f.Wanting(mode) {
					t.Errorf("got %+v, want the advice %q and something left to do", f, tt.advice)
				}
			}
		})
	}
}

// TestEnsureForbidden: each missing right is a finding with the role, and hides nothing else.
func TestEnsureForbidden(t *testing.T) {
	n, fields := firestoreledger.NeededIndexes, firestoreledger.NeededFields
	tests := []struct {
		method string
		mode   setup.Mode
		want   map[setup.State]int
		role   string
	}{
		{"GetDatabase", setup.Make, map[setup.State]int{setup.Forbidden: 1, setup.Created: n}, "roles/datastore.viewer"},
		{"BatchGetDocuments", setup.Check, map[setup.State]int{setup.Forbidden: 1, setup.Present: 1, setup.Missing: n},
			"roles/datastore.user"},
		{"ListIndexes", setup.Make, map[setup.State]int{setup.Forbidden: 3, setup.Present: 1, setup.Created: fields},
			"roles/datastore.indexAdmin"},
		{"CreateIndex", setup.Make, map[setup.State]int{setup.Forbidden: n - fields, setup.Present: 1, setup.Created: fields},
			"roles/datastore.indexAdmin"},
		{"GetField", setup.Make, map[setup.State]int{setup.Forbidden: fields, setup.Present: 1, setup.Created: n - fields},
			"roles/datastore.indexAdmin"},
		{"UpdateField", setup.Make, map[setup.State]int{setup.Forbidden: fields, setup.Present: 1, setup.Created: n - fields},
			"roles/datastore.indexAdmin"},
	}
	for _, tt := range tests {
		t.Run(tt.method, func(t *testing.T) {
			s := newService()
			s.refuse = tt.method
			for _, f := range ensure(t, ledgerAt(t, s, ""), tt.mode, tt.want) {
				if f.State == setup.Forbidden &&
					(f.Advice != "grant "+tt.role+" in project project to this account" || f.Seen != "as told") {
					t.Errorf("got %+v, want the advice to grant %s", f, tt.role)
				}
			}
		})
	}
}

func TestEnsureOnEmulator(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, mode := range []setup.Mode{setup.Make, setup.DryRun, setup.Check} {
		if f := ensure(t, l, mode, map[setup.State]int{setup.Present: 2}); f[1].Seen != "the emulator needs none" {
			t.Errorf("indexes: got %+v", f[1])
		}
	}
}
