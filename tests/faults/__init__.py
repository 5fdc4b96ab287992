import pytest

# So that a failed assert there says what was compared.
pytest.register_assert_rewrite("tests.faults.chats", "tests.faults.checks", "tests.faults.people")
