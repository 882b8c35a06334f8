package bigqueryfake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	bq "google.golang.org/api/bigquery/v2"
)

type datasetKey struct{ project, dataset string }

func (k datasetKey) String() string { return k.project + ":" + k.dataset }

type dataset struct {
	key                   datasetKey
	location              string
	created, modified     int64 // milliseconds since the epoch
	tableMS, partitionMS  int64 // default expirations in milliseconds, 0 for never
	travelHours           int64
	description, friendly string
	labels                map[string]string
	tables                map[string]*table
}

var (
	datasetPattern  = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	locationPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)
)

// named reports whether a name has a form. Names and job ids have at most 1,024 characters (documentation, "Naming
// datasets", "Table naming", JobReference).
func named(form *regexp.Regexp, name string) bool { return len(name) <= 1024 && form.MatchString(name) }

// project refuses projects that the server was not told of.
func (s *Server) project(name string) error {
	if !s.projects[name] {
		return notFound("Project %s", name)
	}
	return nil
}

// dataset finds a dataset.
func (s *Server) dataset(key datasetKey) (*dataset, error) {
	if err := s.project(key.project); err != nil {
		return nil, err
	}
	d := s.datasets[key]
	if d == nil {
		return nil, notFound("Dataset %s", key)
	}
	return d, nil
}

func (s *Server) datasetsInsert(c *call) (any, error) {
	if err := s.project(c.Project); err != nil {
		return nil, err
	}
	if err := s.allowed("bigquery.datasets.create", c.Project); err != nil {
		return nil, err
	}
	var in bq.Dataset
	if err := c.decode(&in, "datasetReference", "location", "defaultTableExpirationMs", "defaultPartitionExpirationMs",
		"description", "friendlyName", "labels", "isCaseInsensitive", "maxTimeTravelHours"); err != nil {
		return nil, err
	}
	if in.DatasetReference == nil || !named(datasetPattern, in.DatasetReference.DatasetId) {
		return nil, invalid("Invalid dataset ID")
	}
	if in.IsCaseInsensitive {
		return nil, unsupported("case-insensitive datasets")
	}
	key := datasetKey{c.Project, in.DatasetReference.DatasetId}
	c.Dataset = key.dataset
	if s.datasets[key] != nil {
		return nil, refusal(http.StatusConflict, "duplicate", "Already Exists: Dataset %s", key)
	}
	location := in.Location
	if location == "" {
		location = "US"
	}
	if !locationPattern.MatchString(location) {
		return nil, invalid("Invalid value for location: %s is not a valid value", location)
	}
	if in.MaxTimeTravelHours == 0 {
		in.MaxTimeTravelHours = maxTravel
	}
	if err := checkTravel(in.MaxTimeTravelHours); err != nil {
		return nil, err
	}
	now := s.tick()
	d := &dataset{
		key: key, location: location, created: now, modified: now, tableMS: in.DefaultTableExpirationMs,
		partitionMS: in.DefaultPartitionExpirationMs, description: in.Description, friendly: in.FriendlyName,
		labels: in.Labels, travelHours: in.MaxTimeTravelHours, tables: map[string]*table{},
	}
	s.datasets[key] = d
	return d.resource(), nil
}

func (d *dataset) resource() *bq.Dataset {
	return &bq.Dataset{
		Kind: "bigquery#dataset", Etag: fmt.Sprint(d.modified), Id: d.key.String(),
		DatasetReference: &bq.DatasetReference{ProjectId: d.key.project, DatasetId: d.key.dataset},
		Location:         d.location, CreationTime: d.created, LastModifiedTime: d.modified,
		DefaultTableExpirationMs: d.tableMS, DefaultPartitionExpirationMs: d.partitionMS,
		Description: d.description, FriendlyName: d.friendly, Labels: d.labels, Type: "DEFAULT",
		MaxTimeTravelHours: d.travelHours,
	}
}

// minTravel and maxTravel bound the time travel window of a dataset, in hours; the greatest is the default. Source:
// REST reference, Dataset.maxTimeTravelHours; documentation, "Data retention with time travel and fail-safe": whole
// days.
const minTravel, maxTravel = 48, 168

func checkTravel(hours int64) error {
	if hours < minTravel || hours > maxTravel || hours%24 != 0 {
		return invalid("Invalid value for maxTimeTravelHours: %d", hours)
	}
	return nil
}

func (s *Server) datasetsGet(c *call) (any, error) {
	d, err := s.dataset(c.dataset())
	if err != nil {
		return nil, err
	}
	if err := s.allowed("bigquery.datasets.get", c.Project, c.Dataset); err != nil {
		return nil, err
	}
	return d.resource(), nil
}

func (s *Server) datasetsList(c *call) (any, error) {
	if err := s.project(c.Project); err != nil {
		return nil, err
	}
	list := &bq.DatasetList{Kind: "bigquery#datasetList", Datasets: []*bq.DatasetListDatasets{}}
	for key, d := range s.datasets {
		if key.project == c.Project {
			list.Datasets = append(list.Datasets, &bq.DatasetListDatasets{
				Kind: "bigquery#dataset", Id: key.String(), Location: d.location, Labels: d.labels,
				DatasetReference: &bq.DatasetReference{ProjectId: key.project, DatasetId: key.dataset},
			})
		}
	}
	slices.SortFunc(list.Datasets, func(a, b *bq.DatasetListDatasets) int { return strings.Compare(a.Id, b.Id) })
	return list, nil
}

func (s *Server) datasetsPatch(c *call) (any, error) {
	d, err := s.dataset(c.dataset())
	if err != nil {
		return nil, err
	}
	if err := s.allowed("bigquery.datasets.update", c.Project, c.Dataset); err != nil {
		return nil, err
	}
	if err := c.ifMatch(fmt.Sprint(d.modified)); err != nil {
		return nil, err
	}
	var in bq.Dataset
	if err := c.decode(&in, "location", "defaultTableExpirationMs", "defaultPartitionExpirationMs", "description",
		"friendlyName", "labels",
		"maxTimeTravelHours"); err != nil {
		return nil, err
	}
	if c.sent("maxTimeTravelHours") {
		if err := checkTravel(in.MaxTimeTravelHours); err != nil {
			return nil, err
		}
		d.travelHours = in.MaxTimeTravelHours
	}
	if c.sent("location") && !strings.EqualFold(in.Location, d.location) {
		return nil, invalid("Cannot change dataset location: it is immutable")
	}
	if c.sent("defaultTableExpirationMs") {
		d.tableMS = in.DefaultTableExpirationMs
	}
	if c.sent("defaultPartitionExpirationMs") {
		d.partitionMS = in.DefaultPartitionExpirationMs
	}
	if c.sent("description") {
		d.description = in.Description
	}
	if c.sent("friendlyName") {
		d.friendly = in.FriendlyName
	}
	if c.sent("labels") {
		if d.labels, err = mergeLabels(d.labels, c.raw["labels"]); err != nil {
			return nil, err
		}
	}
	d.modified = s.tick()
	return d.resource(), nil
}

// mergeLabels applies a patch of labels: null removes a label, and null instead of the labels removes all.
func mergeLabels(old map[string]string, patch json.RawMessage) (map[string]string, error) {
	var changes map[string]*string
	if err := json.Unmarshal(patch, &changes); err != nil {
		return nil, invalid("Invalid labels")
	}
	if changes == nil {
		return nil, nil
	}
	labels := map[string]string{}
	for name, value := range old {
		labels[name] = value
	}
	for name, value := range changes {
		if value == nil {
			delete(labels, name)
			continue
		}
		labels[name] = *value
	}
	return labels, nil
}

func (s *Server) datasetsDelete(c *call) (any, error) {
	d, err := s.dataset(c.dataset())
	if err != nil {
		return nil, err
	}
	if err := s.allowed("bigquery.datasets.delete", c.Project, c.Dataset); err != nil {
		return nil, err
	}
	if len(d.tables) > 0 && c.query.Get("deleteContents") != "true" {
		return nil, refusal(http.StatusBadRequest, "resourceInUse", "Dataset %s is still in use", d.key)
	}
	delete(s.datasets, d.key)
	return nil, nil
}
