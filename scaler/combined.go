package scaler

import (
	"encoding/json"
	"fmt"
	"time"
)

// Combined takes one policy as the floor and lets another correct it upwards: the calendar gives what is known, the
// measurements what is not. The result is the larger of both, so a rush hour is ready before its load comes, and an
// unforeseen load is met all the same.
//
// If the correction holds, for want of data or while a step settles, the size does not fall below what runs now; it still
// rises with the floor.
type Combined struct {
	floor, correction Policy
	look              time.Duration
}

// NewCombined looks 30 minutes ahead in the calendar: within that time of a rise the correction takes no step down, and
// one up goes as far as the calendar will.
func NewCombined(floor, correction Policy) *Combined {
	return &Combined{floor: floor, correction: correction, look: 30 * time.Minute}
}

// Want gives the larger of what both policies want.
func (c *Combined) Want(in Input) Want {
	floor := c.floor.Want(in)
	in.Floor = larger(in.Floor, floor.Size)
	need := c.correction.Want(in)
	w := Want{Policy: "combined", Parts: []Want{floor, need}, Size: larger(in.Floor, need.Size).Fill(in.Current)}
	w.Size.Cores = in.Floor.Fill(in.Current).Cores
	w.Hold = need.Hold && w.Size == in.Current
	switch {
	case need.Hold && need.Size.Copies > in.Floor.Copies:
		w.Why = "kept: " + need.Why
	case in.Floor.Copies >= need.Size.Copies:
		w.Why = "floor: " + floor.Why
	default:
		w.Why = "correction: " + need.Why
	}
	c.lookAhead(in, &w)
	return w
}

func (c *Combined) lookAhead(in Input, w *Want) {
	calendar, ok := c.floor.(Forecaster)
	if !ok || w.Size.Copies == in.Current.Copies {
		return
	}
	soon := calendar.Ahead(in.Now, c.look)
	switch {
	case w.Size.Copies > in.Current.Copies && soon.Copies > w.Size.Copies:
		w.Why += fmt.Sprintf("; at once to the %d copies of the calendar's next rise", soon.Copies)
		w.Size.Copies = soon.Copies
	case w.Size.Copies < in.Current.Copies && soon.Copies > w.Size.Copies:
		w.Size.Copies = min(in.Current.Copies, soon.Copies)
		w.Why += fmt.Sprintf("; not below the %d copies that the calendar wants soon", soon.Copies)
	}
}

type combinedState struct {
	Floor      json.RawMessage `json:"floor,omitempty"`
	Correction json.RawMessage `json:"correction,omitempty"`
}

// MarshalJSON saves the memory of both policies.
func (c *Combined) MarshalJSON() ([]byte, error) {
	floor, err := save(c.floor)
	if err != nil {
		return nil, err
	}
	correction, err := save(c.correction)
	if err != nil {
		return nil, err
	}
	return json.Marshal(combinedState{floor, correction})
}

// UnmarshalJSON restores the memory of both policies.
func (c *Combined) UnmarshalJSON(b []byte) error {
	var s combinedState
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if err := restore(c.floor, s.Floor); err != nil {
		return err
	}
	return restore(c.correction, s.Correction)
}

// save gives the memory of a policy, nil if it has none.
func save(p Policy) (json.RawMessage, error) {
	if m, ok := p.(json.Marshaler); ok {
		return m.MarshalJSON()
	}
	return nil, nil
}

func restore(p Policy, memory json.RawMessage) error {
	if u, ok := p.(json.Unmarshaler); ok && len(memory) > 0 {
		return u.UnmarshalJSON(memory)
	}
	return nil
}
