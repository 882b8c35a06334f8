package firestoreledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"cloud.google.com/go/firestore"
	admin "cloud.google.com/go/firestore/apiv1/admin"
	"cloud.google.com/go/firestore/apiv1/admin/adminpb"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"gamefill/internal/setup"
)

// EmulatorVariable names the environment variable that points the client library at an emulator.
const EmulatorVariable = "FIRESTORE_EMULATOR_HOST"

// Ensure looks at the database and its indexes, and in mode [setup.Make] asks Firestore to build those that are
// missing; it does not wait for them. The database itself is never made, because its location cannot be changed later,
// and an index that somebody has set otherwise is reported and left alone. Collections and documents need no making,
// and nothing in the ledger expires, so there is no time-to-live policy. In mode [setup.Check] one read shows whether
// this account may read. The package setup says what holds of every Ensure.
func (l *Ledger) Ensure(ctx context.Context, mode setup.Mode) ([]setup.Finding, error) {
	e := &ensuring{l: l, mode: mode}
	err := e.all(ctx)
	if err != nil {
		err = fmt.Errorf("set up ledger: %w", err)
	}
	return e.findings, err
}

// ensuring is one call of Ensure.
type ensuring struct {
	l        *Ledger
	mode     setup.Mode
	admin    *admin.FirestoreAdminClient
	findings []setup.Finding
}

func (e *ensuring) all(ctx context.Context) (err error) {
	if err := e.l.service.Check(ctx); err != nil {
		return err
	}
	if os.Getenv(EmulatorVariable) != "" {
		if err := e.reads(ctx); err != nil {
			return err
		}
		e.add(setup.Finding{Resource: "indexes of " + e.l.where(), State: setup.Present, Seen: "the emulator needs none"})
		return nil
	}
	if e.admin, err = admin.NewFirestoreAdminClient(ctx, e.l.options...); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.admin.Close()) }()
	usable, err := e.database(ctx)
	if !usable || err != nil {
		return err
	}
	var errs []error
	if e.mode == setup.Check {
		errs = append(errs, e.reads(ctx))
	}
	return errors.Join(append(errs, e.composites(ctx), e.fields(ctx))...)
}

func (e *ensuring) add(f setup.Finding) { e.findings = append(e.findings, f) }

// where is the database in words.
func (l *Ledger) where() string {
	return fmt.Sprintf("Firestore database %s of project %s", l.database, l.project)
}

func (l *Ledger) databaseName() string {
	return "projects/" + l.project + "/databases/" + l.database
}

// refused adds the finding of a missing right and reports whether err is one.
func (e *ensuring) refused(resource string, err error, role string) bool {
	switch status.Code(err) {
	case codes.PermissionDenied, codes.Unauthenticated:
		e.add(setup.Finding{Resource: resource, State: setup.Forbidden, Seen: status.Convert(err).Message(),
			Advice: fmt.Sprintf("grant %s in project %s to this account", role, e.l.project)})
		return true
	}
	return false
}

// Roles that looking, making and working need.
const (
	viewerRole = "roles/datastore.viewer"
	indexRole  = "roles/datastore.indexAdmin"
	userRole   = "roles/datastore.user"
)

// database reports whether it is worth looking at what is in it.
func (e *ensuring) database(ctx context.Context) (usable bool, err error) {
	f := setup.Finding{Resource: e.l.where(), State: setup.Present}
	var got *adminpb.Database
	err = repeat(ctx, func(ctx context.Context) (err error) {
		got, err = e.admin.GetDatabase(ctx, &adminpb.GetDatabaseRequest{Name: e.l.databaseName()})
		return err
	})
	switch {
	case e.refused(f.Resource, err, viewerRole):
		return true, nil // indexes have rights of their own
	case status.Code(err) == codes.NotFound:
		f.State = setup.Missing
		f.Advice = fmt.Sprintf(
			"choose a location, which stays for good: gcloud firestore databases create --project=%s --database='%s' "+
				"--type=firestore-native --location=LOCATION", e.l.project, e.l.database)
	case err != nil:
		return false, err
	case got.GetType() != adminpb.Database_FIRESTORE_NATIVE:
		f.State, f.Seen, f.Wanted = setup.Differs, got.GetType().String(), adminpb.Database_FIRESTORE_NATIVE.String()
		f.Advice = "name another database in the ledger's address"
	}
	e.add(f)
	return f.State == setup.Present, nil
}

// reads looks for a document that need not be there.
func (e *ensuring) reads(ctx context.Context) error {
	f := setup.Finding{Resource: e.l.where(), State: setup.Present}
	if e.mode == setup.Check && e.admin != nil {
		f.Resource, f.Wanted = f.Resource+", right of this account", "datastore.entities.get"
	}
	err := repeat(ctx, func(ctx context.Context) error {
		_, err := e.l.client.GetAll(ctx, []*firestore.DocumentRef{e.l.top(roles).Doc("init")})
		return err
	})
	if err != nil {
		if e.refused(f.Resource, err, userRole) {
			return nil
		}
		return err
	}
	e.add(f)
	return nil
}

// advice about an index that is not ready.
const building = "Firestore builds it in the background; queries that need it fail until publisher init --check " +
	"finds it present"

// composites looks at the indexes of two fields, a collection at a time.
func (e *ensuring) composites(ctx context.Context) error {
	var errs []error
	seen := map[string][]*adminpb.Index{}
	for _, want := range compositeIndexes() {
		collection := e.l.stored(want.collection)
		there, listed := seen[collection]
		if !listed {
			var err error
			there, err = e.list(ctx, collection)
			seen[collection] = there
			if err != nil {
				errs = append(errs, err)
			}
		}
		if there != nil {
			errs = append(errs, e.composite(ctx, collection, want, there))
		}
	}
	return errors.Join(errs...)
}

// list returns the composite indexes of a collection; nil when they may not be seen, which is then a finding or an
// error.
func (e *ensuring) list(ctx context.Context, collection string) ([]*adminpb.Index, error) {
	var all []*adminpb.Index
	err := repeat(ctx, func(ctx context.Context) error {
		all = []*adminpb.Index{}
		it := e.admin.ListIndexes(ctx,
			&adminpb.ListIndexesRequest{Parent: e.l.databaseName() + "/collectionGroups/" + collection})
		for {
			index, err := it.Next()
			if errors.Is(err, iterator.Done) {
				return nil
			}
			if err != nil {
				return err
			}
			all = append(all, index)
		}
	})
	if err == nil {
		return all, nil
	}
	if e.refused("indexes of "+collection, err, indexRole) {
		return nil, nil
	}
	return nil, fmt.Errorf("indexes of %s: %w", collection, err)
}

func (e *ensuring) composite(ctx context.Context, collection string, want composite, there []*adminpb.Index) error {
	f := setup.Finding{Resource: fmt.Sprintf("index of %s by %s, newest %s", collection, want.equal, want.newest),
		State: setup.Present}
	wanted := want.proto()
	i := slices.IndexFunc(there, func(index *adminpb.Index) bool { return sameIndex(index, wanted) })
	switch {
	case i >= 0:
		f = ready(f, there[i])
	case e.mode != setup.Make:
		f.State, f.Makeable = setup.Missing, true
	default:
		err := repeat(ctx, func(ctx context.Context) error {
			_, err := e.admin.CreateIndex(ctx,
				&adminpb.CreateIndexRequest{Parent: e.l.databaseName() + "/collectionGroups/" + collection, Index: wanted})
			return err
		})
		if e.refused(f.Resource, err, indexRole) {
			return nil
		}
		if err != nil && status.Code(err) != codes.AlreadyExists { // else somebody was faster
			return fmt.Errorf("make %s: %w", f.Resource, err)
		}
		f.State, f.Advice = setup.Created, building
	}
	e.add(f)
	return nil
}

// ready judges an index that is there.
func ready(f setup.Finding, index *adminpb.Index) setup.Finding {
	switch index.GetState() {
	case adminpb.Index_CREATING:
		f.State, f.Advice = setup.Differs, building
	case adminpb.Index_NEEDS_REPAIR:
		f.State, f.Advice = setup.Differs, "building it failed: delete the index "+index.GetName()+" and run publisher init"
	default:
		return f
	}
	f.Seen, f.Wanted = index.GetState().String(), adminpb.Index_READY.String()
	return f
}

func (c composite) proto() *adminpb.Index {
	return &adminpb.Index{QueryScope: scope(c.group),
		Fields: []*adminpb.Index_IndexField{ordered(c.equal, false), ordered(c.newest, true)}}
}

func scope(group bool) adminpb.Index_QueryScope {
	if group {
		return adminpb.Index_COLLECTION_GROUP
	}
	return adminpb.Index_COLLECTION
}

func ordered(field string, descending bool) *adminpb.Index_IndexField {
	order := adminpb.Index_IndexField_ASCENDING
	if descending {
		order = adminpb.Index_IndexField_DESCENDING
	}
	return &adminpb.Index_IndexField{FieldPath: field, ValueMode: &adminpb.Index_IndexField_Order_{Order: order}}
}

// sameIndex compares scope and fields. The service ends the fields of every index with the document's name.
func sameIndex(a, b *adminpb.Index) bool {
	named := func(f *adminpb.Index_IndexField) bool { return f.GetFieldPath() == "__name__" }
	fields := func(index *adminpb.Index) []*adminpb.Index_IndexField {
		return slices.DeleteFunc(slices.Clone(index.GetFields()), named)
	}
	return a.GetQueryScope() == b.GetQueryScope() &&
		slices.EqualFunc(fields(a), fields(b), func(x, y *adminpb.Index_IndexField) bool {
			return x.GetFieldPath() == y.GetFieldPath() && x.GetOrder() == y.GetOrder() &&
				x.GetArrayConfig() == y.GetArrayConfig()
		})
}

// fields looks at the indexes of single fields.
func (e *ensuring) fields(ctx context.Context) error {
	var errs []error
	for _, want := range fieldIndexes() {
		if err := e.field(ctx, want); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (e *ensuring) field(ctx context.Context, want fieldOverride) error {
	collection := e.l.stored(want.collection)
	f := setup.Finding{Resource: fmt.Sprintf("single-field indexes of %s, field %s", collection, want.field),
		State: setup.Present}
	name := e.l.databaseName() + "/collectionGroups/" + collection + "/fields/" + want.field
	var got *adminpb.Field
	err := repeat(ctx, func(ctx context.Context) (err error) {
		got, err = e.admin.GetField(ctx, &adminpb.GetFieldRequest{Name: name})
		return err
	})
	if status.Code(err) == codes.NotFound { // never configured
		got, err = &adminpb.Field{IndexConfig: &adminpb.Field_IndexConfig{UsesAncestorConfig: true}}, nil
	}
	if e.refused(f.Resource, err, indexRole) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Resource, err)
	}
	wanted := want.protos()
	switch has := got.GetIndexConfig(); {
	case !has.GetUsesAncestorConfig() && sameIndexes(has.GetIndexes(), wanted):
		for _, index := range has.GetIndexes() {
			if f.State == setup.Present {
				f = ready(f, index)
			}
		}
	case !has.GetUsesAncestorConfig():
		f.State, f.Seen, f.Wanted = setup.Differs, inWords(has.GetIndexes()), inWords(wanted)
		f.Advice = "somebody has set them: take them back to the database's default in the console, then run publisher init"
	case e.mode != setup.Make:
		f.State, f.Makeable, f.Seen, f.Wanted = setup.Missing, true, "the database's default", inWords(wanted)
	default:
		err := repeat(ctx, func(ctx context.Context) error {
			_, err := e.admin.UpdateField(ctx, &adminpb.UpdateFieldRequest{
				Field:      &adminpb.Field{Name: name, IndexConfig: &adminpb.Field_IndexConfig{Indexes: wanted}},
				UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"index_config"}}})
			return err
		})
		if e.refused(f.Resource, err, indexRole) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("make %s: %w", f.Resource, err)
		}
		if f.State, f.Wanted = setup.Created, inWords(wanted); len(wanted) > 0 {
			f.Advice = building
		}
	}
	e.add(f)
	return nil
}

func (o fieldOverride) protos() (all []*adminpb.Index) {
	for _, s := range o.indexes {
		all = append(all,
			&adminpb.Index{QueryScope: scope(s.group), Fields: []*adminpb.Index_IndexField{ordered(o.field, s.descending)}})
	}
	return all
}

// sameIndexes compares two sets without regard to order.
func sameIndexes(a, b []*adminpb.Index) bool {
	within := func(a, b []*adminpb.Index) bool {
		return !slices.ContainsFunc(a, func(x *adminpb.Index) bool {
			return !slices.ContainsFunc(b, func(y *adminpb.Index) bool { return sameIndex(x, y) })
		})
	}
	return within(a, b) && within(b, a)
}

// inWords lists indexes of one field by order and scope.
func inWords(indexes []*adminpb.Index) string {
	var words []string
	for _, index := range indexes {
		for _, f := range index.GetFields() {
			word := f.GetOrder().String()
			if f.GetArrayConfig() != adminpb.Index_IndexField_ARRAY_CONFIG_UNSPECIFIED {
				word = f.GetArrayConfig().String()
			}
			words = append(words, strings.ToLower(word+" in "+index.GetQueryScope().String()))
		}
	}
	if len(words) == 0 {
		return "none"
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}
