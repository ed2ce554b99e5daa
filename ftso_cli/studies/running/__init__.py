"""Running a study: workers, trials and stages."""
