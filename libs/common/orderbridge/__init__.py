"""What OrderBridge's services share: pure contracts, and the adapters two or more of them use."""
