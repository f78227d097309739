"""What every paid, rate-limited endpoint needs: limits, retries, prices and a budget."""
