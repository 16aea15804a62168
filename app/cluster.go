package main

import "context"

func clusterFiles(ctx context.Context, e *environment, args []string) error { return nil }
