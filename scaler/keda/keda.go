// Package keda lets KEDA carry out the decisions of a scaler, for teams that have KEDA already: it serves the gRPC interface
// of KEDA's external scalers, and gives the number of copies that the scaler wants as a metric whose target is one per copy.
//
//	server := keda.New(read)          // read tells the present number of copies, such as Size of a kubernetes.Target
//	s, err := scaler.New(server, policy, options)
//	go s.Run(ctx)
//	externalscaler.RegisterExternalScalerServer(grpcServer, server)
//
// example/scaledobject.yaml is the object for KEDA. Run one copy of the service: the answer is in its memory.
//
// # Limits
//
// KEDA makes a HorizontalPodAutoscaler of it, which has rules of its own on top of the policy: it ignores a step of 10 % or
// less (its tolerance), and by default waits 5 minutes before it goes down. The example turns the waiting off. The bounds of
// the ScaledObject should be those of the Scaler, else both believe in different sizes.
//
// It was tested by calling the service over gRPC, not with KEDA itself.
package keda

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/scaler/keda/externalscaler"
)

// metric is the name under which KEDA shows the number.
const metric = "copies"

// Server is a scaler.Target whose size KEDA asks for. It is safe for concurrent use.
type Server struct {
	externalscaler.UnimplementedExternalScalerServer
	read func(context.Context) (scaler.Size, error)

	mu     sync.Mutex
	wanted int // 0 until the first decision
}

var errNoRead = errors.New("keda: the function of New that tells the size of the job is nil")

// New makes a Server. read tells how many copies the job has; it is asked until the first change, so that a restart of this
// process changes nothing.
func New(read func(context.Context) (scaler.Size, error)) *Server { return &Server{read: read} }

// Size is what KEDA is told; before the first change it is what the job has.
func (s *Server) Size(ctx context.Context) (scaler.Size, error) {
	s.mu.Lock()
	wanted := s.wanted
	s.mu.Unlock()
	if wanted > 0 {
		return scaler.Size{Copies: wanted}, nil
	}
	if s.read == nil {
		return scaler.Size{}, errNoRead
	}
	size, err := s.read(ctx)
	return scaler.Size{Copies: size.Copies}, err
}

// Resize changes what KEDA is told. It cannot set cores.
func (s *Server) Resize(ctx context.Context, c scaler.Change) error {
	now, err := s.Size(ctx)
	switch {
	case err != nil:
		return err
	case c.To.Cores != 0:
		return status.Error(codes.InvalidArgument, "KEDA sets the number of copies only, not their cores")
	case now != c.From && now != c.To:
		return scaler.ErrConflict
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = c.To.Copies
	return nil
}

// IsActive tells KEDA to leave the job running: this scaler does not scale to zero.
func (s *Server) IsActive(context.Context, *externalscaler.ScaledObjectRef) (*externalscaler.IsActiveResponse, error) {
	return &externalscaler.IsActiveResponse{Result: true}, nil
}

// StreamIsActive says the same once, and then keeps the stream open, as KEDA expects of a push scaler.
func (s *Server) StreamIsActive(_ *externalscaler.ScaledObjectRef, stream externalscaler.ExternalScaler_StreamIsActiveServer) error {
	if err := stream.Send(&externalscaler.IsActiveResponse{Result: true}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

// GetMetricSpec names the metric: one of it per copy.
func (s *Server) GetMetricSpec(context.Context, *externalscaler.ScaledObjectRef) (*externalscaler.GetMetricSpecResponse, error) {
	spec := &externalscaler.MetricSpec{MetricName: metric, TargetSize: 1, TargetSizeFloat: 1}
	return &externalscaler.GetMetricSpecResponse{MetricSpecs: []*externalscaler.MetricSpec{spec}}, nil
}

// GetMetrics gives the number of copies. If it is not known, KEDA gets an error and leaves the job as it is.
func (s *Server) GetMetrics(ctx context.Context, r *externalscaler.GetMetricsRequest) (*externalscaler.GetMetricsResponse, error) {
	if r.GetMetricName() != metric {
		return nil, status.Errorf(codes.NotFound, "there is no metric %q", r.GetMetricName())
	}
	size, err := s.Size(ctx)
	if err != nil || size.Copies < 1 {
		return nil, status.Errorf(codes.Unavailable, "the number of copies is not known: %v", err)
	}
	value := &externalscaler.MetricValue{MetricName: metric, MetricValue: int64(size.Copies), MetricValueFloat: float64(size.Copies)}
	return &externalscaler.GetMetricsResponse{MetricValues: []*externalscaler.MetricValue{value}}, nil
}
