import pytest

# A failed assert in these modules then shows the compared values.
pytest.register_assert_rewrite("tests.faults.client_records", "tests.faults.checks", "tests.faults.random_clients")
