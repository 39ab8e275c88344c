package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/scaler"
)

// fakeAdmin is a cluster with one topic "hits".
type fakeAdmin struct {
	begin, end, committed []int64 // per partition; committed -1 is nothing
	state                 string
	members               int
	fail                  error
	broken                sarama.KError // of the last partition's end
	forgotten             bool          // the last partition is missing in a reply
	closed                bool
}

func (f *fakeAdmin) DescribeTopics([]string) ([]*sarama.TopicMetadata, error) {
	t := &sarama.TopicMetadata{Name: "hits"}
	for i := range f.end {
		t.Partitions = append(t.Partitions, &sarama.PartitionMetadata{ID: int32(i)})
	}
	return []*sarama.TopicMetadata{t}, f.fail
}

func (f *fakeAdmin) ListOffsets(p map[string]map[int32]int64, _ *sarama.ListOffsetsOptions) (map[string]map[int32]*sarama.OffsetResult, error) {
	out := map[int32]*sarama.OffsetResult{}
	for id, which := range p["hits"] {
		out[id] = &sarama.OffsetResult{Offset: f.end[id], Err: sarama.ErrNoError}
		if which == sarama.OffsetOldest {
			out[id].Offset = f.begin[id]
		} else if int(id) == len(f.end)-1 {
			out[id].Err = f.broken
		}
	}
	return map[string]map[int32]*sarama.OffsetResult{"hits": out}, nil
}

func (f *fakeAdmin) ListConsumerGroupOffsets(string, map[string][]int32) (*sarama.OffsetFetchResponse, error) {
	r := &sarama.OffsetFetchResponse{}
	for i, c := range f.committed {
		if !f.forgotten || i < len(f.committed)-1 {
			r.AddBlock("hits", int32(i), &sarama.OffsetFetchResponseBlock{Offset: c})
		}
	}
	return r, nil
}

func (f *fakeAdmin) DescribeConsumerGroups([]string) ([]*sarama.GroupDescription, error) {
	g := &sarama.GroupDescription{State: f.state, Members: map[string]*sarama.GroupMemberDescription{}}
	assigned := []byte{0, 0, 0, 0, 0, 1, 0, 4, 'h', 'i', 't', 's', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	for i := range f.members {
		g.Members[string(rune('a'+i))] = &sarama.GroupMemberDescription{MemberAssignment: assigned}
	}
	g.Members["idle"] = &sarama.GroupMemberDescription{MemberAssignment: []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}
	return []*sarama.GroupDescription{g}, nil
}

func (f *fakeAdmin) Close() error {
	f.closed = true
	return nil
}

// watch is a Signal on a fake cluster, with a clock that goes on by ten seconds at each reading.
func watch(f *fakeAdmin) *Signal {
	now := time.Unix(1_700_000_000, 0)
	s := &Signal{c: Config{Group: "etl", Topics: []string{"hits"}}, admin: f}
	s.now = func() time.Time { now = now.Add(10 * time.Second); return now }
	s.dial = func() (admin, error) { return f, nil }
	return s
}

func must(t *testing.T, s *Signal) scaler.Sample {
	t.Helper()
	got, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func healthy() *fakeAdmin {
	return &fakeAdmin{begin: []int64{0, 0}, end: []int64{1000, 2000}, committed: []int64{900, 2000}, state: "Stable", members: 2}
}

func TestLagRatesAndDelayComeFromOffsets(t *testing.T) {
	f := healthy()
	s := watch(f)
	got := must(t, s)
	if got.Lag.Number != 100 || got.Arrival.Known() || got.Done.Known() || got.Delay.Known() || got.Ready.Number != 2 || got.Partitions.Number != 2 {
		t.Errorf("first reading %+v, want a lag of 100, 2 members, 2 partitions, and no rates or delay yet", got)
	}
	f.end, f.committed = []int64{1500, 2500}, []int64{1250, 2500}
	got = must(t, s)
	if got.Lag.Number != 250 || got.Arrival.Number != 100 || got.Done.Number != 85 || got.Delay.Number != 5 {
		t.Errorf("second reading %+v, want lag 250, arrival 100/s, done 85/s, delay 5 s: offset 1250 came half-way", got)
	}
	f.committed = []int64{1500, 2500}
	if got = must(t, s); got.Delay.Number != 0 || !got.Delay.Known() || got.Lag.Number != 0 {
		t.Errorf("caught up: %+v, want no lag and no delay", got)
	}
}

func TestWhatWasNeverCommittedWaits(t *testing.T) {
	f := healthy()
	f.begin, f.committed = []int64{400, 100}, []int64{-1, 50} // the second one was overtaken by the log's retention
	if got := must(t, watch(f)); got.Lag.Number != 600+1900 {
		t.Errorf("lag %s, want what the log still has: 2500", got.Lag)
	}
	s := watch(f)
	s.o.FromNewest = true
	if got := must(t, s); got.Lag.Number != 1900 {
		t.Errorf("lag %s, want 1900: the group begins at the end", got.Lag)
	}
}

func TestAPartitionThatIsMissingIsNoZero(t *testing.T) {
	for name, spoil := range map[string]func(*fakeAdmin){
		"error":     func(f *fakeAdmin) { f.broken = sarama.ErrLeaderNotAvailable },
		"forgotten": func(f *fakeAdmin) { f.forgotten = true },
		"no answer": func(f *fakeAdmin) { f.fail = errors.New("EOF") },
	} {
		f := healthy()
		spoil(f)
		s := watch(f)
		if got, err := s.Read(t.Context()); err == nil || got.Lag.Known() {
			t.Errorf("%s: %+v (%v), want an error and no lag", name, got, err)
		}
		if !f.closed {
			t.Errorf("%s: the connection was kept", name)
		}
		*f = *healthy()
		if got := must(t, s); got.Lag.Number != 100 {
			t.Errorf("%s: lag %s after the failure, want 100", name, got.Lag)
		}
	}
}

func TestATopicThatWasMadeAgainHasNoRate(t *testing.T) {
	f := healthy()
	s := watch(f)
	must(t, s)
	f.end = []int64{10, 10} // the commits are of the old topic
	if got := must(t, s); got.Arrival.Known() || got.Done.Known() || got.Lag.Number != 20 || got.Delay.Known() {
		t.Errorf("got %+v, want a lag of 20 and no rates", got)
	}
	f.end, f.committed = []int64{20, 20}, []int64{0, 20}
	if got := must(t, s); got.Arrival.Number != 2 {
		t.Errorf("got %+v, want an arrival of 2/s", got)
	}
}

func TestNewPartitionsCount(t *testing.T) {
	f := healthy()
	s := watch(f)
	must(t, s)
	f.begin, f.end, f.committed = []int64{0, 0, 0}, []int64{1000, 2000, 300}, []int64{900, 2000, -1}
	if got := must(t, s); got.Arrival.Number != 30 || got.Partitions.Number != 3 || got.Lag.Number != 400 {
		t.Errorf("got %+v, want arrival 30/s, 3 partitions, lag 400", got)
	}
}

func TestNobodyTakesPartInARebalance(t *testing.T) {
	f := healthy()
	f.state = "PreparingRebalance"
	if got := must(t, watch(f)); !got.Ready.Known() || got.Ready.Number != 0 {
		t.Errorf("ready %s, want 0", got.Ready)
	}
}

func TestTheDelayGoesBackAsFarAsTheHistory(t *testing.T) {
	f := healthy()
	f.committed = []int64{1000, 2000}
	s := watch(f)
	must(t, s)
	f.members = 0
	for range 5 {
		f.end = []int64{f.end[0] + 100, f.end[1]}
		must(t, s)
	}
	if got := must(t, s); got.Delay.Number != 60 {
		t.Errorf("delay %s, want 60 s: the group stands where the log was then", got.Delay)
	}
}

func TestWaitMakesTheFirstReadKnowRates(t *testing.T) {
	s := watch(healthy())
	s.o.Wait = time.Millisecond
	if got := must(t, s); !got.Arrival.Known() || got.Arrival.Number != 0 {
		t.Errorf("arrival %s, want a known zero", got.Arrival)
	}
	s = watch(healthy())
	s.o.Wait = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's end", err)
	}
}

// The protocol itself, over a socket, to sarama's broker for tests.
func TestSignalSpeaksTheProtocol(t *testing.T) {
	b := sarama.NewMockBroker(t, 1)
	defer b.Close()
	offsets := sarama.NewMockOffsetResponse(t)
	committed := sarama.NewMockOffsetFetchResponse(t).SetError(sarama.ErrNoError)
	for p, end := range []int64{1000, 2000} {
		offsets.SetOffset("hits", int32(p), sarama.OffsetNewest, end).SetOffset("hits", int32(p), sarama.OffsetOldest, 0)
		committed.SetOffset("etl", "hits", int32(p), 900, "", sarama.ErrNoError)
	}
	b.SetHandlerByMap(map[string]sarama.MockResponse{
		"MetadataRequest":        sarama.NewMockMetadataResponse(t).SetBroker(b.Addr(), 1).SetController(1).SetLeader("hits", 0, 1).SetLeader("hits", 1, 1),
		"FindCoordinatorRequest": sarama.NewMockFindCoordinatorResponse(t).SetCoordinator(sarama.CoordinatorGroup, "etl", b),
		"OffsetRequest":          offsets,
		"OffsetFetchRequest":     committed,
		"DescribeGroupsRequest":  sarama.NewMockDescribeGroupsResponse(t).AddGroupDescription("etl", &sarama.GroupDescription{GroupId: "etl", State: "Empty"}),
	})
	config := defaults()
	config.ApiVersionsRequest = false // the test's broker does not tell its versions
	s, err := Open(Config{Brokers: []string{b.Addr()}, Group: "etl", Topics: []string{"hits"}}, &Options{Sarama: config})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Read(t.Context())
	if err != nil || got.Lag.Number != 1200 || got.Partitions.Number != 2 || got.Ready.Number != 0 || !got.Ready.Known() {
		t.Errorf("got %+v (%v), want a lag of 1200 in 2 partitions and no members", got, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesWhatCannotBe(t *testing.T) {
	for _, c := range []Config{{}, {Brokers: []string{"a"}, Group: "g"}, {Brokers: []string{"a"}, Topics: []string{"t"}}} {
		if _, err := Open(c, nil); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
