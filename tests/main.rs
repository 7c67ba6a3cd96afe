//! How Orion behaves, one file each, against the real binary and real servers.
//!
//! One binary for all of them, because linking it is most of what building them costs. Built with the feature
//! `crash-points`, without which a crash between two stages cannot be brought about.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it does not expect has failed"
)]

mod a_bad_new_version_is_taken_back;
mod a_copy_of_any_moment_is_whole;
mod a_crash_loses_and_doubles_nothing;
mod a_day_of_faults_loses_nothing;
mod a_dead_target_becomes_one_incident;
mod a_doctor_finds_what_is_wrong;
mod a_faulting_plugin_hurts_only_itself;
mod a_full_disk_is_waited_out;
mod a_new_version_runs_in_the_shadow;
mod a_prometheus_outage_is_said_once;
mod a_read_only_folder_is_said;
mod a_rule_set_is_applied;
mod a_signal_ends_in_time;
mod a_thousand_crashes_lose_nothing;
mod a_thousand_edits_lose_nothing;
mod a_version_is_rolled_out;
mod agents_forward_what_they_see;
mod agents_outlast_what_fails;
mod anyone_can_verify;
mod commands_speak_plainly;
mod downtime_is_caught_up;
mod edits_are_live_without_a_restart;
mod every_attack_is_contained;
mod free_memory_is_given_back;
mod incidents_are_marked;
mod jobs_are_run_over_http;
mod jobs_come_to_an_end;
mod log_files_are_followed;
mod log_lines_are_asked_for;
mod loki_is_asked;
mod loki_lines_are_events;
mod many_hosts_share_the_work;
mod metrics_are_read_by_prometheus;
mod missing_data_is_not_recovery;
mod no_level_but_n0;
mod normal_operation_emits_nothing;
mod one_host_has_the_folder;
mod only_bearers_of_a_token_are_told;
mod only_queries_reach_prometheus;
mod only_trusted_plugins_are_loaded;
mod orion_means_what_prometheus_means;
mod other_programs_meet_orion_at_plain_streams;
mod redis_faults_lose_nothing;
mod redis_is_reached_by_every_way;
mod related_events_are_one_incident;
mod rules_are_shown_as_they_run;
mod rules_share_one_question;
mod rules_that_go_wrong_are_said;
mod series_around_events_are_shown;
mod settings_come_from_files;
mod snapshots_come_back_whole;
mod support;
mod the_audit_trail_is_kept;
mod the_clock_may_be_set;
mod the_console_is_read_in_a_browser;
mod the_demonstration_tells_a_story;
mod the_host_is_asked_over_http;
mod the_past_is_replayed;
mod the_process_confines_itself;
mod top_shows_what_runs;
#[cfg(feature = "otlp")]
mod traces_are_sent;
mod webhooks_are_guarded;
mod webhooks_are_kept;
mod what_is_absent_is_found;
mod what_is_deployed_is_sound;
mod what_is_old_goes_where_hosts_share;
mod what_was_recorded_is_read_over_http;
mod worked_examples_hold;
