"""The tests of each control by name, as they stood when this was written.

Made by ``python -m hftd.control.checklist``; a test holds that each is still there.
"""

from __future__ import annotations

from typing import Final

TESTS: Final[dict[str, tuple[str, ...]]] = {
    "C01": ("tests/config/test_load.py::test_c01_a_limit_dropped_or_garbled_never_loads",),
    "C02": ("tests/engine/test_risk.py::test_c02_status",),
    "C03": (
        "tests/engine/test_risk.py::test_c03_order_size",
        "tests/engine/test_risk.py::test_c03_reduce_only_uses_the_unscaled_limit",
    ),
    "C04": ("tests/engine/test_risk.py::test_c04_order_notional",),
    "C05": (
        "tests/engine/test_breaker.py::test_c05_three_breaches_pause_for_their_window",
        "tests/engine/test_breaker.py::test_c05_references_apart_pause",
        "tests/engine/test_risk.py::test_c05_collar_holds_the_aggressive_side",
        "tests/engine/test_risk.py::test_c05_fat_fingers",
        "tests/engine/test_risk.py::test_c05_distance_holds_the_passive_side",
        "tests/engine/test_risk.py::test_c05_the_reference_is_the_median",
        "tests/engine/test_exposure.py::test_c05_a_trade_of_long_ago_prices_nothing_and_may_still_stop",
    ),
    "C06": (
        "tests/engine/test_risk.py::test_c06_filters",
        "tests/engine/test_risk.py::test_c06_number_of_orders",
    ),
    "C07": (
        "tests/engine/test_risk.py::test_c07_age",
        "tests/engine/test_risk.py::test_c07_book_in_doubt",
        "tests/engine/test_risk.py::test_c07_one_sided_and_crossed",
    ),
    "C08": (
        "tests/engine/test_risk.py::test_c08_post_only_does_not_cross",
        "tests/engine/test_risk.py::test_c08_reduce_only_cannot_flip",
        "tests/engine/test_risk.py::test_c08_reduces_toward_the_target",
    ),
    "C09": (
        "tests/engine/test_risk.py::test_c09_self_trade",
        "tests/engine/test_risk.py::test_c09_defers_while_the_own_order_leaves",
    ),
    "C10": (
        "tests/engine/test_risk.py::test_c10_duplicate",
        "tests/engine/test_risk.py::test_c10_lets_a_quote_replace_itself",
    ),
    "C11": (
        "tests/engine/test_risk.py::test_c11_funds_of_a_buy",
        "tests/engine/test_risk.py::test_c11_funds_of_a_sell",
        "tests/engine/test_risk.py::test_c11_a_replaced_order_lends_its_funds",
        "tests/engine/test_exposure.py::test_c11_what_the_venue_has_locked_for_others_is_not_spent",
    ),
    "C12": (
        "tests/engine/test_risk.py::test_c12_worst_case_position",
        "tests/engine/test_risk.py::test_c12_unknown_orders_count",
    ),
    "C13": ("tests/engine/test_risk.py::test_c13_gross_exposure",),
    "C14": (
        "tests/engine/test_risk.py::test_c14_open_orders",
        "tests/engine/test_risk.py::test_c14_the_table_is_full",
        "tests/engine/test_risk.py::test_c14_open_notional",
    ),
    "C15": (
        "tests/engine/test_breaker.py::test_c15_takes_two_updates_apart",
        "tests/engine/test_breaker.py::test_c15_below_the_limit_does_nothing",
        "tests/engine/test_breaker.py::test_c15_one_bad_print_halts_nothing",
        "tests/engine/test_breaker.py::test_c15_drawdown_from_the_peak",
        "tests/engine/test_breaker.py::test_c15_a_halt_outlives_midnight",
        "tests/engine/test_breaker.py::test_c15_the_day_survives_a_restart",
        "tests/engine/test_breaker.py::test_c15_the_carried_mark_holds_until_the_market_is_back",
        "tests/engine/test_breaker.py::test_c15_may_reduce",
        "tests/engine/test_breaker.py::test_c15_a_crash_keeps_no_loss_from_being_reduced",
    ),
    "C16": (
        "tests/engine/test_breaker.py::test_c16_turnover_beyond_the_cap_halts",
        "tests/engine/test_risk.py::test_c16_turnover",
    ),
    "C17": (
        "tests/engine/test_risk.py::test_c17_a_burst_of_a_second_and_no_more",
        "tests/engine/test_venue_limits.py::test_c17_sixty_percent_of_each_window_is_ours",
        "tests/engine/test_venue_limits.py::test_c17_a_figure_of_our_own_may_use_all_that_the_venue_takes",
        "tests/engine/test_venue_limits.py::test_c17_a_new_window_counts_anew",
        "tests/engine/test_venue_limits.py::test_c17_what_is_in_flight_counts_beside_what_the_venue_told",
        "tests/engine/test_venue_limits.py::test_c17_cancels_and_reductions_have_a_reserve",
    ),
    "C18": (
        "tests/engine/test_tripwires.py::test_c18_one_sided_fills_halt_beyond_the_limit",
        "tests/engine/test_tripwires.py::test_c18_a_position_that_comes_back_begins_anew",
        "tests/engine/test_tripwires.py::test_c18_the_parts_of_one_order_count_once",
        "tests/engine/test_tripwires.py::test_c18_through_the_target_counts_on_the_other_side",
        "tests/engine/test_tripwires.py::test_c18_only_a_person_clears_it",
    ),
    "C19": ("tests/engine/test_breaker.py::test_c19_a_storm_of_rejects_halts",),
    "C20": (
        "tests/engine/test_tripwires.py::test_c20_orders_without_a_fill_are_told_then_pause",
        "tests/engine/test_tripwires.py::test_c20_a_flapping_quote_pauses_until_resume",
        "tests/engine/test_tripwires.py::test_c20_a_fill_begins_anew",
    ),
    "C21": (
        "tests/engine/test_alerts.py::test_c21_conservation_on_an_ordinary_order",
        "tests/engine/test_alerts.py::test_c21_conservation_to_the_last_lot",
        "tests/engine/test_alerts.py::test_c21_a_position_that_does_not_follow_the_fills_halts",
        "tests/engine/test_alerts.py::test_c21_halts_before_any_order_of_the_decision_leaves",
        "tests/engine/test_alerts.py::test_c21_all_fills_dropped_stops_and_does_not_repeat",
        "tests/engine/test_alerts.py::test_c21_holds_through_partial_fills_replacements_and_ends",
    ),
    "C22": (
        "tests/engine/test_breaker.py::test_c22_silence_pulls_the_quotes",
        "tests/engine/test_breaker.py::test_c22_the_same_touch_is_fresh",
    ),
    "C23": ("tests/engine/test_breaker.py::test_c23_a_silent_user_stream_pauses_and_reconnects",),
    "C24": (
        "tests/engine/test_breaker.py::test_c24_clock",
        "tests/engine/test_breaker.py::test_c24_a_clock_that_stays_wrong_halts",
    ),
    "C25": (
        "tests/engine/test_tripwires.py::test_c25_a_late_loop",
        "tests/engine/test_tripwires.py::test_c25_a_pulse_in_time_lifts_the_pause",
    ),
    "C26": ("tests/engine/test_breaker.py::test_c26_no_journal_no_order",),
    "C27": ("tests/engine/test_risk.py::test_c27_doubt_blocks_its_side",),
    "C28": (
        "tests/engine/test_tripwires.py::test_c28_slow_acknowledgements",
        "tests/engine/test_tripwires.py::test_c28_lifts_when_they_are_a_minute_old",
        "tests/engine/test_tripwires.py::test_c28_an_acknowledgement_is_measured_once",
    ),
    "C29": (
        "tests/engine/test_tripwires.py::test_c29_a_price_jump",
        "tests/engine/test_tripwires.py::test_c29_a_slow_move_is_none",
        "tests/engine/test_tripwires.py::test_c29_lifts_when_the_window_has_passed",
        "tests/engine/test_tripwires.py::test_c29_a_flash_crash_pulls_the_quotes",
    ),
    "C30": (
        "tests/drivers/test_controls.py::test_c30_nothing_leaves_before_retry_after",
        "tests/engine/test_breaker.py::test_c30_too_many_requests_are_quiet",
        "tests/engine/test_breaker.py::test_c30_a_ban_halts",
        "tests/engine/test_venue_limits.py::test_c30_429_leaves_cancels_alone_until_the_time_told",
        "tests/engine/test_venue_limits.py::test_c30_the_time_exactly_opens_the_road",
        "tests/engine/test_venue_limits.py::test_c30_an_ordinary_day_is_not_held_back",
        "tests/engine/test_venue_limits.py::test_c30_a_ban_halts_and_sends_nothing_at_all",
        "tests/engine/test_venue_limits.py::test_c30_a_second_word_only_makes_it_longer",
        "tests/engine/test_venue_limits.py::test_c30_a_boot_within_the_quiet_holds_back_too",
    ),
    "C31": (
        "tests/engine/test_breaker.py::test_c31_the_kill_cancels_all_and_proves_it",
        "tests/engine/test_breaker.py::test_c31_in_flight_orders_are_canceled_as_they_surface",
        "tests/engine/test_breaker.py::test_c31_a_cancel_without_effect_is_repeated",
        "tests/engine/test_breaker.py::test_c31_an_unanswered_question_is_asked_again",
        "tests/engine/test_breaker.py::test_c31_an_order_that_the_venue_shows_is_adopted_and_canceled",
        "tests/engine/test_breaker.py::test_c31_kill_at_every_event",
        "tests/engine/test_breaker.py::test_c31_a_kill_withdraws_a_reset_under_way",
    ),
    "C32": (
        "tests/cli/test_kill_offline.py::test_c32_a_kill_of_a_dead_daemon_takes_this_path",
        "tests/e2e/test_hard_kill.py::test_c32_2_the_process_is_stopped",
    ),
    "C33": (
        "tests/engine/test_alerts.py::test_c33_reset_waits_for_the_dwell",
        "tests/engine/test_alerts.py::test_c33_reset_needs_a_clean_reconciliation",
    ),
    "C34": (
        "tests/engine/test_strangers.py::test_c34_cancel_is_the_default",
        "tests/engine/test_strangers.py::test_c34_adopt_keeps_what_the_venue_lists",
        "tests/engine/test_strangers.py::test_c34_adopt_takes_fills_of_the_time_between",
        "tests/engine/test_strangers.py::test_c34_adopt_holds_at_a_start_only",
        "tests/engine/test_strangers.py::test_c34_refuse_halts",
        "tests/engine/test_strangers.py::test_c34_refuse_lets_an_empty_account_start",
        "tests/engine/test_strangers.py::test_c34_foreign_orders_halt_a_start",
        "tests/engine/test_strangers.py::test_c34_reset_waits_for_foreign_orders_to_go",
        "tests/engine/test_strangers.py::test_c34_foreign_orders_pause_while_running",
        "tests/engine/test_strangers.py::test_c34_foreign_orders_may_be_allowed",
    ),
    "C35": (
        "tests/drivers/test_controls.py::test_c35_jitter_alone_is_no_difference",
        "tests/engine/test_reconcile.py::test_c35_each_kind_has_its_period",
        "tests/engine/test_reconcile.py::test_c35_drift_pauses_then_halts_with_both_sides",
        "tests/engine/test_reconcile.py::test_c35_a_difference_that_goes_away_pauses_no_longer",
        "tests/engine/test_reconcile.py::test_c35_a_fill_between_question_and_answer_is_no_difference",
        "tests/engine/test_reconcile.py::test_c35_an_order_that_the_venue_does_not_list",
        "tests/engine/test_reconcile.py::test_c35_an_order_filled_less_than_the_venue_says",
        "tests/engine/test_reconcile.py::test_c35_an_order_changed_since_the_question_is_not_judged",
        "tests/engine/test_reconcile.py::test_c35_a_list_that_shows_an_ended_order_is_asked_again",
        "tests/engine/test_reconcile.py::test_c35_a_lost_report_of_a_fill",
        "tests/engine/test_reconcile.py::test_c35_a_report_on_its_way_is_not_lost",
        "tests/engine/test_reconcile.py::test_c35_lists_of_trades_leave_no_gap",
        "tests/engine/test_reconcile.py::test_c35_an_unanswered_question_is_no_difference",
        "tests/engine/test_reconcile.py::test_c35_nothing_is_asked_without_the_links_or_while_recovering",
    ),
    "C36": (
        "tests/venues/test_port.py::test_c36_binance_spot_declares_that_it_has_no_dead_man_switch",
    ),
    "C37": (
        "tests/config/test_schema.py::test_c37_the_canary_scales_sizes_and_money_and_nothing_else",
    ),
    "C38": (
        "tests/engine/test_limits.py::test_c38_every_limit_tightens_while_running_and_loosens_only_while_halted",
        "tests/engine/test_limits.py::test_c38_what_names_no_limit_or_no_value_is_refused",
        "tests/engine/test_limits.py::test_c38_all_or_none",
        "tests/engine/test_limits.py::test_c38_more_than_there_is_room_for_is_refused_whole",
        "tests/engine/test_limits.py::test_c38_the_hash_of_the_limits_in_force_is_told",
        "tests/engine/test_limits.py::test_c38_a_tighter_limit_holds_for_the_next_order",
    ),
    "C39": (
        "tests/engine/test_strangers.py::test_c39_an_order_of_a_later_boot_halts",
        "tests/engine/test_strangers.py::test_c39_a_copy_of_our_own_boot_halts_too",
        "tests/engine/test_strangers.py::test_c39_an_order_of_an_earlier_boot_is_ours",
        "tests/engine/test_strangers.py::test_c39_a_kill_takes_the_orders_of_both",
    ),
    "C40": (
        "tests/engine/test_orders.py::test_c40_an_intent_names_what_it_was_decided_on",
        "tests/store/test_projector.py::test_c40_an_order_names_who_decided_it_and_on_what",
    ),
    "C41": (
        "tests/engine/test_alerts.py::test_c41_a_halt_raises_an_alert_that_blocks_reset",
        "tests/engine/test_alerts.py::test_c41_one_by_its_number",
        "tests/engine/test_alerts.py::test_c41_a_kill_by_the_operator_needs_no_acknowledgement",
        "tests/engine/test_alerts.py::test_c41_a_latch_whose_alert_was_lost_raises_it_again",
    ),
    "C42": (
        "tests/cli/test_hftctl.py::test_c42_selfcheck_needs_no_daemon",
        "tests/control/test_checklist.py::test_c42_every_test_that_travels_with_the_code_is_there",
        "tests/control/test_checklist.py::test_c42_every_control_that_stands_has_a_test_by_its_id",
        "tests/control/test_checklist.py::test_c42_readme_and_profiles_name_what_is_missing",
        "tests/control/test_checklist.py::test_c42_results_are_those_that_were_written_down",
        "tests/control/test_checklist.py::test_c42_without_a_source_tree_it_says_that_results_are_not_known",
    ),
}
