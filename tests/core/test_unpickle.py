"""Pickles of strangers: read without running anything of theirs."""

import pickle
import struct

import pytest

from learnerkit.core.errors import DataError, UnsafeFileError
from learnerkit.core.unpickle import _ALLOWED, load_set_pickle


def test_pickles_that_claim_memory_time_or_our_functions_are_refused():
    with pytest.raises(UnsafeFileError, match="claims a memo"):
        load_set_pickle(b"\x80\x02}r" + struct.pack("<I", 20_000_000) + b".", "f")
    nested = []
    for _ in range(40):
        nested = [nested, nested]
    with pytest.raises(UnsafeFileError, match="depth"):
        load_set_pickle(pickle.dumps({"a": nested}, protocol=2), "f")
    encode = _ALLOWED["_codecs", "encode"]
    attack = b"\x80\x02c_codecs\nencode\n(N}(X\x07\x00\x00\x00__doc__X\x03\x00\x00\x00pwnutb."
    with pytest.raises(DataError):
        load_set_pickle(attack, "f")
    assert encode.__doc__ != "pwn"
    with pytest.raises(UnsafeFileError, match="operation INST"):
        load_set_pickle(b"(ios\nsystem\n.", "f")
