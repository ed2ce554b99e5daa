"""Progress, tables and remarks that commands show."""
