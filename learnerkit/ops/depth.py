"""The rates of stochastic depth."""


def linear_rates(p: float, n: int) -> list[float]:
    """Drop probabilities of `n` blocks, rising linearly from p/n to p (Huang et al. 2016, equation 4)."""
    return [p * (i + 1) / n for i in range(n)]
