#!/usr/bin/env python3
"""Writes the dashboards beside this file, with Grafana's own library: `build.py [FOLDER]`.

Every panel is a row of a table here, so that none lacks a title, a description or a unit. Needs grafana-foundation-sdk 0.0.21; versions
of that name that look newer are older.
"""

import sys
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
)

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

# The containers that the rules of media-stack.yaml watch.
MEDIA = (
    "jellyfin|plex|emby|radarr|sonarr|lidarr|readarr|bazarr|prowlarr|jackett|qbittorrent|transmission|deluge|sabnzbd|nzbget|"
    "overseerr|jellyseerr|tautulli|flaresolverr|gluetun"
)
FILE_SYSTEMS = 'fstype!~"tmpfs|overlay|squashfs|ramfs|nsfs|fuse.*"'
DISKS = 'device!~"loop.*|ram.*|zram.*|sr.*"'
NETWORKS = 'device!~"lo|veth.*|br-.*|docker.*|cni.*|flannel.*|cali.*"'

# Grid of 24: how wide and high a panel is.
NUMBER = (4, 4)
CHART = (12, 8)


def queries(panel, asked):
    for number, (expression, legend) in enumerate(asked):
        query = prometheus.Dataquery().expr(expression).ref_id("ABCDEF"[number]).datasource(SOURCE)
        panel.with_target(query.legend_format(legend).range())
    return panel


def number(title, description, unit, expression, bad_above=None):
    """The latest value; red above a bound, where there is one."""
    panel = stat.Panel().title(title).description(description).unit(unit).datasource(SOURCE)
    panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    steps = [Threshold(value=None, color="green")]
    if bad_above is not None:
        steps.append(Threshold(value=bad_above, color="red"))
    panel.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    return queries(panel.span(NUMBER[0]).height(NUMBER[1]), [(expression, title)])


def chart(title, description, unit, *asked, stacked=False, most=None):
    """Values over time, one line a series."""
    panel = timeseries.Panel().title(title).description(description).unit(unit).datasource(SOURCE)
    panel.min(0).fill_opacity(20 if stacked else 5).line_width(1)
    if most is not None:
        panel.max(most)
    if stacked:
        panel.stacking(StackingConfig().mode(StackingMode.NORMAL).group("A"))
    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    panel.legend(legend.show_legend(True).calcs([]))
    panel.tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    return queries(panel.span(CHART[0]).height(CHART[1]), asked)


def board(uid, title, description, rows):
    made = dashboard.Dashboard(title).uid(uid).description(description).tags(["orion"])
    made.refresh("30s").time("now-6h", "now").tooltip(DashboardCursorSync.CROSSHAIR).readonly()
    made.with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    for name, panels in rows:
        made.with_row(dashboard.Row(name))
        for panel in panels:
            made.with_panel(panel)
    built = made.build()
    # Links to a panel name its number.
    for place, panel in enumerate(built.panels, start=1):
        panel.id_val = place
    return built


def health():
    return board("orion-health", "ORION Health", "What Orion observes and how it is. It shows; nothing here acts.", [
        ("What was observed", [
            number("Open incidents", "Incidents that are open now, of all severities.", "short",
                   "max(sum by (instance) (orion_incidents_open))", 1),
            number("Events", "Events recorded per second, over all hosts.", "ops",
                   "sum(rate(orion_events_total[$__rate_interval]))"),
            number("Decisions", "Decisions recorded since the hosts started. Every one of them is NO_ACTION.", "short",
                   "sum(orion_decisions_total)"),
            number("Sources down", "Sources that did not answer the last query, such as a Prometheus.", "short",
                   "count(orion_source_up == 0) or vector(0)", 1),
            number("Rules unwell", "Rules whose last evaluation had no whole data or did not come to an end.", "short",
                   "count(min by (rule) (orion_rule_well) == 0) or vector(0)", 1),
            number("Files refused", "Rule and plugin files that are refused now; the last good version of each runs on.", "short",
                   "count(max by (file) (orion_config_file_refused) == 1) or vector(0)", 1),
            chart("Event rate", "Events recorded per second, by severity.", "ops",
                  ("sum by (severity) (rate(orion_events_total[$__rate_interval]))", "{{severity}}"), stacked=True),
            chart("Incident count", "Incidents that are open, by severity. Hosts that share work all know of all of them.", "short",
                  ("max by (severity) (orion_incidents_open)", "{{severity}}"), stacked=True),
            chart("Changes of incidents", "Revisions of incidents per second, by what they did.", "ops",
                  ("sum by (status) (rate(orion_incidents_total[$__rate_interval]))", "{{status}}")),
            chart("Decision types", "Decisions recorded per second, by type. At autonomy level N0 there is one.", "ops",
                  ("sum by (decision_type) (rate(orion_decisions_total[$__rate_interval]))", "{{decision_type}}")),
        ]),
        ("Sources and rules", [
            chart("Queries", "Queries per second and those of them that failed.", "ops",
                  ("sum by (source) (rate(orion_source_query_duration_seconds_count[$__rate_interval]))", "{{source}}"),
                  ("sum by (source) (rate(orion_source_query_failures_total[$__rate_interval]))", "{{source}} failed")),
            chart("Duration of queries", "Half of the queries, and all but one in a hundred, are answered within this time.", "s",
                  ("histogram_quantile(0.5, sum by (le) (rate(orion_source_query_duration_seconds_bucket[$__rate_interval])))",
                   "half"),
                  ("histogram_quantile(0.99, sum by (le) (rate(orion_source_query_duration_seconds_bucket[$__rate_interval])))",
                   "99 of 100")),
            chart("Evaluations", "Evaluations of groups per second, and those that came late, from what the source remembers.", "ops",
                  ("sum(rate(orion_group_evaluations_total[$__rate_interval]))", "all"),
                  ("sum(rate(orion_group_late_evaluations_total[$__rate_interval]))", "late")),
            chart("Failures of rules", "Evaluations per second that did not come to an end, by rule.", "ops",
                  ("topk(10, sum by (rule) (rate(orion_rule_evaluation_failures_total[$__rate_interval])))", "{{rule}}")),
            chart("Reloads", "Reloads per second that changed what runs, and those with a file that was refused.", "ops",
                  ("sum(rate(orion_config_reloads_total[$__rate_interval]))", "all"),
                  ("sum(rate(orion_config_reload_failures_total[$__rate_interval]))", "with a refusal")),
            chart("Generation", "The generation of rules and plugins that runs. It grows with every accepted edit.", "short",
                  ("max by (instance) (orion_config_generation)", "{{instance}}")),
        ]),
        ("Plugins", [
            chart("Calls", "Calls of plugins per second.", "ops",
                  ("sum by (plugin) (rate(orion_plugin_call_duration_seconds_count[$__rate_interval]))", "{{plugin}}")),
            chart("Faults", "Calls of plugins per second that ended with a fault, by plugin and reason.", "ops",
                  ("sum by (plugin, reason) (rate(orion_plugin_failures_total[$__rate_interval])) > 0", "{{plugin}}: {{reason}}")),
            chart("Fuel", "Fuel that plugins burn per second: instructions of the sandbox, the same on every machine.", "short",
                  ("sum by (plugin) (rate(orion_plugin_fuel_total[$__rate_interval]))", "{{plugin}}")),
            chart("Memory of plugins", "The most memory that a call of a plugin held.", "bytes",
                  ("max by (plugin) (orion_plugin_most_memory_bytes)", "{{plugin}}")),
        ]),
        ("Bus and store", [
            chart("Records", "Records per second that hosts put on the bus.", "ops",
                  ("sum by (instance) (rate(orion_bus_records_total[$__rate_interval]))", "{{instance}}")),
            chart("Unread records", "Records that a stage has yet to read. It should be near zero.", "short",
                  ("sum by (instance, stage) (orion_stage_unread_records)", "{{instance}} {{stage}}")),
            chart("Duration of commits", "All but one in a hundred commits are done within this time.", "s",
                  ("histogram_quantile(0.99, sum by (le) (rate(orion_bus_commit_duration_seconds_bucket[$__rate_interval])))",
                   "99 of 100")),
            chart("Failed commits", "Commits per second that failed, by reason.", "ops",
                  ("sum by (reason) (rate(orion_bus_commit_failures_total[$__rate_interval]))", "{{reason}}")),
            chart("Redis", "Whether the Redis where hosts meet answers: 1 yes, 0 no. Nothing where a host is alone.", "short",
                  ("min by (instance) (orion_redis_up)", "{{instance}}"), most=1),
            chart("Live hosts", "Hosts that share the work and are there.", "short", ("max(orion_node_live)", "hosts")),
        ]),
    ])


def media():
    named = f'name=~"{MEDIA}"'
    return board("orion-media-stack", "Media Stack", "The containers that the rules of media-stack.yaml watch, by cAdvisor.", [
        ("Containers", [
            number("Running", "Containers of the media stack that are seen.", "short",
                   f"count(count by (name) (container_last_seen{{{named}}}))"),
            number("Targets down", "Targets of Prometheus that do not answer.", "short", "count(up == 0) or vector(0)", 1),
            number("CPU", "Processor time of all of them, in cores.", "short",
                   f"sum(rate(container_cpu_usage_seconds_total{{{named}}}[$__rate_interval]))"),
            number("Memory", "Memory that all of them hold and cannot give back at once.", "bytes",
                   f"sum(container_memory_working_set_bytes{{{named}}})"),
            number("Starts", "Starts within the last hour: more than a few are a restart loop.", "short",
                   f"sum(changes(container_start_time_seconds{{{named}}}[1h]))", 4),
            number("Network", "Bytes per second that all of them send.", "Bps",
                   f"sum(rate(container_network_transmit_bytes_total{{{named}}}[$__rate_interval]))"),
            chart("CPU by container", "Processor time, in cores.", "short",
                  (f"sum by (name) (rate(container_cpu_usage_seconds_total{{{named}}}[$__rate_interval]))", "{{name}}"), stacked=True),
            chart("Memory by container", "Memory that cannot be given back at once.", "bytes",
                  (f"sum by (name) (container_memory_working_set_bytes{{{named}}})", "{{name}}"), stacked=True),
            chart("Memory against its limit", "Part of the memory that a container may have. At 1 the kernel ends it.", "percentunit",
                  (f"max by (name) (container_memory_working_set_bytes{{{named}}})"
                   f" / (max by (name) (container_spec_memory_limit_bytes{{{named}}}) > 0)", "{{name}}"), most=1),
            chart("Held back by the CPU limit", "Part of the periods in which a container was throttled.", "percentunit",
                  (f"sum by (name) (rate(container_cpu_cfs_throttled_periods_total{{{named}}}[$__rate_interval]))"
                   f" / (sum by (name) (rate(container_cpu_cfs_periods_total{{{named}}}[$__rate_interval])) > 0)", "{{name}}"), most=1),
            chart("Received", "Bytes per second that a container receives.", "Bps",
                  (f"sum by (name) (rate(container_network_receive_bytes_total{{{named}}}[$__rate_interval]))", "{{name}}")),
            chart("Sent", "Bytes per second that a container sends.", "Bps",
                  (f"sum by (name) (rate(container_network_transmit_bytes_total{{{named}}}[$__rate_interval]))", "{{name}}")),
            chart("Network errors", "Errors per second, in both directions.", "ops",
                  (f"sum by (name) (rate(container_network_receive_errors_total{{{named}}}[$__rate_interval]))"
                   f" + sum by (name) (rate(container_network_transmit_errors_total{{{named}}}[$__rate_interval]))", "{{name}}")),
            chart("Written to disk", "Bytes per second that a container writes.", "Bps",
                  (f"sum by (name) (rate(container_fs_writes_bytes_total{{{named}}}[$__rate_interval]))", "{{name}}")),
        ]),
    ])


def system():
    return board("orion-system", "System", "The machines themselves, by node_exporter.", [
        ("Machines", [
            number("CPU", "Part of the processor time that is used, over all machines.", "percentunit",
                   '1 - avg(rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))', 0.9),
            number("Memory", "Part of the memory that is used and cannot be given back at once, on the fullest machine.", "percentunit",
                   "max(1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)", 0.9),
            number("Fullest disk", "Part of the fullest file system that is used.", "percentunit",
                   f"max(1 - node_filesystem_avail_bytes{{{FILE_SYSTEMS}}} / (node_filesystem_size_bytes{{{FILE_SYSTEMS}}} > 0))", 0.9),
            number("Load", "Processes that run or want to, over the last minute, on the busiest machine.", "short", "max(node_load1)"),
            number("Up since", "How long ago the machine that started last did.", "s", "min(time() - node_boot_time_seconds)"),
            number("Processes ended", "Processes that the kernel ended within the last hour because memory ran out.", "short",
                   "sum(increase(node_vmstat_oom_kill[1h]))", 1),
            chart("CPU", "Part of the processor time, by what it was spent on.", "percentunit",
                  ('sum by (instance, mode) (rate(node_cpu_seconds_total{mode!="idle"}[$__rate_interval]))'
                   " / on (instance) group_left () count by (instance) (node_cpu_seconds_total{mode=\"idle\"})",
                   "{{instance}} {{mode}}"), stacked=True, most=1),
            chart("Load", "Processes that run or want to, over one, five and fifteen minutes.", "short",
                  ("node_load1", "{{instance}} 1m"), ("node_load5", "{{instance}} 5m"), ("node_load15", "{{instance}} 15m")),
            chart("Memory", "Memory that can be given to whoever asks, beside all there is.", "bytes",
                  ("node_memory_MemAvailable_bytes", "{{instance}} available"), ("node_memory_MemTotal_bytes", "{{instance}} in all")),
            chart("Swapping", "Pages per second that are written to swap and read back. More than a few make a machine slow.", "ops",
                  ("rate(node_vmstat_pswpin[$__rate_interval])", "{{instance}} in"),
                  ("rate(node_vmstat_pswpout[$__rate_interval])", "{{instance}} out")),
            chart("File systems", "Part of each file system that is used.", "percentunit",
                  (f"1 - node_filesystem_avail_bytes{{{FILE_SYSTEMS}}} / (node_filesystem_size_bytes{{{FILE_SYSTEMS}}} > 0)",
                   "{{instance}} {{mountpoint}}"), most=1),
            chart("Files", "Part of the files that a file system can have which are there.", "percentunit",
                  (f"1 - node_filesystem_files_free{{{FILE_SYSTEMS}}} / (node_filesystem_files{{{FILE_SYSTEMS}}} > 0)",
                   "{{instance}} {{mountpoint}}"), most=1),
            chart("Disks at work", "Part of the time in which a disk had something to do.", "percentunit",
                  (f"rate(node_disk_io_time_seconds_total{{{DISKS}}}[$__rate_interval])", "{{instance}} {{device}}"), most=1),
            chart("Read and written", "Bytes per second from and to disks.", "Bps",
                  (f"rate(node_disk_read_bytes_total{{{DISKS}}}[$__rate_interval])", "{{instance}} {{device}} read"),
                  (f"rate(node_disk_written_bytes_total{{{DISKS}}}[$__rate_interval])", "{{instance}} {{device}} written")),
            chart("Network", "Bytes per second, in both directions.", "Bps",
                  (f"rate(node_network_receive_bytes_total{{{NETWORKS}}}[$__rate_interval])", "{{instance}} {{device}} received"),
                  (f"rate(node_network_transmit_bytes_total{{{NETWORKS}}}[$__rate_interval])", "{{instance}} {{device}} sent")),
            chart("Network errors", "Errors per second, in both directions.", "ops",
                  (f"rate(node_network_receive_errs_total{{{NETWORKS}}}[$__rate_interval])", "{{instance}} {{device}} received"),
                  (f"rate(node_network_transmit_errs_total{{{NETWORKS}}}[$__rate_interval])", "{{instance}} {{device}} sent")),
        ]),
    ])


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "dashboards"
    for name, made in {"orion-health": health(), "media-stack": media(), "system": system()}.items():
        (folder / f"{name}.json").write_text(JSONEncoder(sort_keys=True, indent=2).encode(made) + "\n")


main()
