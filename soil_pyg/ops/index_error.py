def index_error(index: str, reason: str) -> ValueError:
    """Returns the error of an index that cannot be built or searched."""
    return ValueError(
        "'index' must be 'auto', 'Flat' or a FAISS index factory string that suits the candidates "
        f"(got {index!r}: {reason})"
    )
