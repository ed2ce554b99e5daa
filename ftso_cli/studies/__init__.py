"""Studies: settings x seeds over the whole way from a search to a trained network, one trial each.

study     the study file, read and checked
presets   the studies of the paper, as study files
stages    the commands that a trial is made of, their options and their checks
plan      from a study to its trials; each stage has a key made of all that decides its result
running   stages, trials in Optuna's storage, and workers that run them until none is left
analysis  the results of a study: measures of trials, statistics, tables, pictures
verbs     run_study, study_status, study_results
"""
