"""Binance Spot: live, testnet and simulated differ only in endpoint and credentials. Pure."""
