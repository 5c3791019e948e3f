"""scikit-learn's checks of an estimator, each run for the settings that can make a difference to it."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

#: Checks whose outcome no setting can change. Each looks at the class, its tags and parameters, or at
#: rows, targets and weights that are refused or converted before a setting is looked at, in code that all
#: settings of a class share. A check that is not named here runs for every setting.
ONCE_A_CLASS = {
    # the class, its tags and parameters
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_estimators_fit_returns_self",
    "check_fit_score_takes_y",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_regressors_no_decision_function",
    "check_set_params",
    "check_valid_tag_types",
    # whether it is fitted, and to how many columns
    "check_estimators_partial_fit_n_features",
    "check_estimators_unfitted",
    "check_fit_check_is_fitted",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    # what is refused
    "check_all_zero_sample_weights_error",
    "check_classifiers_regression_target",
    "check_complex_data",
    "check_estimators_empty_data_messages",
    "check_estimators_nan_inf",
    "check_fit1d",
    "check_fit2d_predict1d",
    "check_requires_y_none",
    "check_sample_weights_shape",
    "check_supervised_y_no_nan",
    # what is converted
    "check_array_api_input",
    "check_classifier_data_not_an_array",
    "check_dtype_object",
    "check_estimator_sparse_matrix",
    "check_estimator_sparse_tag",
    "check_regressor_data_not_an_array",
    "check_sample_weights_list",
    "check_sample_weights_not_an_array",
    "check_sample_weights_pandas_series",
    "check_supervised_y_2d",
}


def parametrize_with_settings(settings, expected_failures):
    """All checks for the first setting of each class, and for others those that can tell them apart.

    Parameters
    ----------
    settings : list of estimators
    expected_failures : callable
        Of an estimator, gives the names of the checks that it cannot pass, with the reason.
    """
    marked = parametrize_with_checks(settings, expected_failed_checks=expected_failures)
    first = {}
    for setting in settings:
        first.setdefault(type(setting), setting)
    cases = []
    for case in marked.args[1]:
        estimator, check = getattr(case, "values", case)
        if estimator is first[type(estimator)] or not runs_once(check):
            cases.append(case)
    return pytest.mark.parametrize(marked.args[0], cases, **marked.kwargs)


def runs_once(check):
    """Whether one setting of a class is enough for a check.

    A variant on memory that cannot be written (with another precision, for one) is what the check itself
    and `check_readonly_memmap_input` are together, and these two run for every setting.
    """
    return check.func.__name__ in ONCE_A_CLASS or bool(check.keywords.get("readonly_memmap"))
