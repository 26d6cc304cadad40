"""The version of the package, in one place; and those of others."""

__version__ = "0.1.0"


def installed(package: str) -> str | None:
    """The version of an installed package; None where it is missing."""
    from importlib.metadata import PackageNotFoundError, version  # `--version` does without

    try:
        return version(package)
    except PackageNotFoundError:
        return None
