"""What only a GPU can show. `FTSO_TEST_DEVICE=cpu` tries the tests themselves where there is none."""
