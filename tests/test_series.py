"""Numbers in eight bytes each behave as lists of them do."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynaghost.series import Series

NUMBERS = {
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    complex: st.complex_numbers(allow_nan=False),
}
KINDS = st.sampled_from(list(NUMBERS))


@given(KINDS.flatmap(lambda kind: st.tuples(st.just(kind), st.lists(NUMBERS[kind], max_size=9))), st.data())
def test_a_series_is_like_a_list(made, data):
    kind, numbers = made
    series = Series(kind, numbers)
    assert (list(series), len(series), list(series.reversed())) == (numbers, len(numbers), numbers[::-1])
    assert all(type(number) is kind for number in series)
    assert all(repr(series[i]) == repr(numbers[i]) for i in range(-len(numbers), len(numbers)))
    index = data.draw(st.slices(len(numbers)))
    assert series[index] == numbers[index]
    assert series == pickle.loads(pickle.dumps(series))
    series.extend(series[:2])
    assert list(series) == numbers + numbers[:2]
    assert bool(numbers) == bool(series)


@given(st.lists(st.integers(-50, 50), unique=True).map(sorted), st.integers(-51, 51))
def test_a_number_is_found_where_it_stands(numbers, number):
    found = Series(int, numbers).find(number)
    assert found == (numbers.index(number) if number in numbers else None)


def test_what_is_not_equal_is_not():
    other = ((1, 2), [1, 2, 3], "12", 12, Series(int, [2, 1]), Series(float, [1.0]))
    series = Series(int, [1, 2])
    assert [series == one for one in other] == [True, False, False, False, False, False]


@pytest.mark.parametrize("index", [2, -3])
def test_beyond_the_end_there_is_nothing(index):
    for kind in NUMBERS:
        with pytest.raises(IndexError):
            Series(kind, [1, 2])[index]
