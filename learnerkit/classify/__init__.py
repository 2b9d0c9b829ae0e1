"""The task of classifying images."""
