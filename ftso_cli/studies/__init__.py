"""Studies: settings x seeds over the whole way from a search to a trained network, one trial each.

study       the study file, read and checked
stages      the commands that a trial is made of, their options and their checks
plan        from a study to its trials; each stage has a key made of all that decides its result
work        one stage: its folder, its lock, its process
measures    what is read from the folder of a finished trial
trials      the trials in Optuna's storage: handed out, taken up again, told
runner      workers that run trials until none is left
results     what a study has found: `read(folder)`, statistics by setting
pairs       the same cells under several values of an option
statistics  means, intervals, paired differences, correlations
figures     pictures of results
presets     the studies of the paper, as study files
"""
