"""The results of studies: measures of trials, statistics, tables and figures."""
