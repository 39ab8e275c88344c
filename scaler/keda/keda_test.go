package keda

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/scaler/keda/externalscaler"
)

// dial serves s on loopback and connects to it as KEDA does.
func dial(t *testing.T, s *Server) externalscaler.ExternalScalerClient {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	externalscaler.RegisterExternalScalerServer(server, s)
	go server.Serve(l)
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return externalscaler.NewExternalScalerClient(conn)
}

type fixed int

func (f fixed) Want(scaler.Input) scaler.Want { return scaler.Want{Size: scaler.Size{Copies: int(f)}} }

// told is what KEDA computes of the answers: the metric divided by its target.
func told(t *testing.T, c externalscaler.ExternalScalerClient) int {
	t.Helper()
	spec, err := c.GetMetricSpec(t.Context(), &externalscaler.ScaledObjectRef{Name: "etl"})
	if err != nil {
		t.Fatal(err)
	}
	m := spec.MetricSpecs[0]
	got, err := c.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{MetricName: m.MetricName})
	if err != nil {
		t.Fatal(err)
	}
	v := got.MetricValues[0]
	if float64(v.MetricValue) != v.MetricValueFloat || float64(m.TargetSize) != m.TargetSizeFloat {
		t.Errorf("the old and the new fields differ: %v, %v", v, m)
	}
	return int(v.MetricValueFloat / m.TargetSizeFloat)
}

func TestKEDAIsToldWhatTheScalerWants(t *testing.T) {
	server := New(func(context.Context) (scaler.Size, error) { return scaler.Size{Copies: 4, Cores: 2}, nil })
	client := dial(t, server)
	if got := told(t, client); got != 4 {
		t.Errorf("told %d before any decision, want the 4 copies there are", got)
	}
	s, err := scaler.New(server, fixed(9), &scaler.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // KEDA takes its time, which is no change from outside
		if d, err := s.Once(t.Context()); err != nil || d.Outside != nil {
			t.Errorf("%s, outside %v (%v)", d, d.Outside, err)
		}
		if got := told(t, client); got != 9 {
			t.Errorf("told %d, want 9", got)
		}
	}
	if err := server.Resize(t.Context(), scaler.Change{From: scaler.Size{Copies: 4}, To: scaler.Size{Copies: 5}}); !errors.Is(err, scaler.ErrConflict) {
		t.Errorf("%v, want a conflict", err)
	}
}

func TestAnUnknownSizeIsAnErrorAndNoZero(t *testing.T) {
	for name, read := range map[string]func(context.Context) (scaler.Size, error){
		"error": func(context.Context) (scaler.Size, error) { return scaler.Size{}, errors.New("no route") },
		"zero":  func(context.Context) (scaler.Size, error) { return scaler.Size{}, nil },
	} {
		client := dial(t, New(read))
		_, err := client.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{MetricName: metric})
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
	}
	_, err := dial(t, New(nil)).GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{MetricName: "other"})
	if status.Code(err) != codes.NotFound {
		t.Errorf("%v, want not found", err)
	}
}

func TestTheJobIsAlwaysActive(t *testing.T) {
	client := dial(t, New(nil))
	if got, err := client.IsActive(t.Context(), &externalscaler.ScaledObjectRef{}); err != nil || !got.Result {
		t.Errorf("%v (%v), want active", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stream, err := client.StreamIsActive(ctx, &externalscaler.ScaledObjectRef{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := stream.Recv(); err != nil || !got.Result {
		t.Errorf("%v (%v), want active", got, err)
	}
}

// A nil function was once a nil dereference in the first call of KEDA.
func TestANilFunctionIsToldInASentence(t *testing.T) {
	if _, err := New(nil).Size(t.Context()); !errors.Is(err, errNoRead) {
		t.Errorf("Size: %v, want %v", err, errNoRead)
	}
	if err := New(nil).Resize(t.Context(), scaler.Change{To: scaler.Size{Copies: 2}}); !errors.Is(err, errNoRead) {
		t.Errorf("Resize: %v, want %v", err, errNoRead)
	}
}
