package main

import "context"

func measure(ctx context.Context, l *lab, o options) error { return nil }
