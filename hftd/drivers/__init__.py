"""The crank: one loop body, turned by live, backtest, replay and simulate."""
