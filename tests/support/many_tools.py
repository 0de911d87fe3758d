"""Six hundred tools of forty-five servers, as their makers describe them, and what people want of them.

`many_tools.txt` has the names, parameters and descriptions of well-known servers, one line for each tool; what they say
of single parameters is left out, so real ones take more tokens. The others were captured from published servers.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import cast

from agent_bridge.tools import JsonObject, Tool

_LINES = Path(__file__).with_name("many_tools.txt")
_CAPTURED = Path(__file__).parents[1] / "models" / "captured_tools.json"
_LINE = re.compile(r"(?P<name>[\w-]+)\((?P<parameters>[^)]*)\): (?P<description>.+)")

WISHES: dict[str, tuple[str, ...]] = {
    "open a new issue on github about the login bug": ("create_issue",),
    "merge the pull request 42": ("merge_pull_request",),
    "which files did this pull request change": ("get_pull_request_files",),
    "rerun only the failed CI jobs": ("rerun_failed_jobs",),
    "list the branches of a repository": ("list_branches",),
    "create jira ticket": ("jira_create_issue",),
    "move a jira issue to done": ("jira_transition_issue", "jira_get_transitions"),
    "log two hours of work on a ticket in jira": ("jira_add_worklog",),
    "what is in the current sprint": ("jira_get_sprint_issues", "jira_get_sprints_from_board"),
    "find a page in confluence": ("confluence_search",),
    "post a message to a slack channel": ("conversations_add_message",),
    "react to a slack message with an emoji": ("slack_add_reaction",),
    "search old slack messages": ("conversations_search_messages",),
    "send an email with gmail": ("send_gmail_message",),
    "search my inbox for mails from the bank": ("search_gmail_messages", "list-mail-messages"),
    "schedule a meeting in my google calendar": ("create_event",),
    "when are we all free next week": ("query_freebusy", "find-meeting-times"),
    "read the cells of a google sheet": ("read_sheet_values",),
    "share a drive file with a colleague": ("share_drive_file",),
    "send a message in microsoft teams": ("send-channel-message", "send-chat-message"),
    "go to a website in the browser": ("browser_navigate",),
    "take a screenshot of the web page": ("browser_take_screenshot",),
    "click a button on the page": ("browser_click",),
    "run a SQL query on postgres": ("execute_sql",),
    "why is this query slow": ("explain_query", "get_top_queries", "find_slow_requests"),
    "list the tables of an airtable base": ("list_tables",),
    "insert documents into mongodb": ("insert-many",),
    "how big is the collection": ("collection-storage-size",),
    "set a redis key that expires": ("set", "expire"),
    "show the logs of a kubernetes pod": ("kubectl_logs",),
    "scale the deployment to five replicas": ("kubectl_scale",),
    "restart a deployment": ("kubectl_rollout",),
    "which docker containers are running": ("list_containers",),
    "build a docker image": ("build_image",),
    "query prometheus metrics": ("query_prometheus",),
    "who is on call right now": ("get_current_oncall_users", "list_oncalls"),
    "find the root cause of a production error in sentry": ("analyze_issue_with_seer",),
    "give a customer their money back": ("create_refund",),
    "cancel a stripe subscription": ("cancel_subscription",),
    "send an invoice to a customer": ("create_invoice", "finalize_invoice"),
    "reply to a support ticket in zendesk": ("create_ticket_comment",),
    "mark a shopify order as shipped": ("create-fulfillment",),
    "add a task to todoist for tomorrow": ("add-tasks",),
    "download the images of a figma file": ("download_figma_images",),
    "add a DNS record": ("dns_record_create",),
    "purge the CDN cache": ("purge_cache",),
    "how much did aws cost last month": ("get_cost_and_usage",),
    "upload a file to S3": ("put_s3_object",),
    "turn off the lights in the kitchen": ("HassTurnOff",),
    "set the thermostat to 21 degrees": ("HassClimateSetTemperature",),
    "play a song on spotify": ("playMusic",),
    "how long does it take to drive from A to B": ("maps_distance_matrix", "maps_directions"),
    "weather forecast for the weekend": ("get_forecast",),
    "search the web": ("brave_web_search",),
    "get the transcript of a youtube video": ("youtube_get_transcript",),
    "find scientific papers": ("arxiv_search_papers",),
    "remember a fact about a person": ("add_observations", "create_entities"),
    "text somebody's phone": ("send_sms",),
    "the price of a share": ("get_stock_price", "get_historical_stock_prices"),
    "convert euros to dollars": ("convert_currency",),
    "merge two PDFs": ("merge_pdfs",),
    "draw a picture of a cat": ("generate_image",),
    "transcribe an audio recording": ("speech_to_text",),
    "read a text file": ("read_text_file", "read_file"),
    "what time is it in Tokyo": ("get_current_time",),
    "commit the staged changes with git": ("git_commit",),
    "rename or move a file": ("move_file",),
    "query salesforce records": ("salesforce_query_records",),
    "update a deal in hubspot": ("hubspot-batch-update-objects",),
    "acknowledge the pager alert": ("acknowledge_incident",),
}
"""What a model may look for, and the tools any of which is right."""


def many_tools() -> list[Tool]:
    """By their names, which are all different."""
    captured = cast("dict[str, list[dict[str, object]]]", json.loads(_CAPTURED.read_text()))
    published = [
        _tool(server, str(tool["name"]), str(tool["description"]), cast("JsonObject", tool["inputSchema"]))
        for server, tools in captured.items()
        for tool in tools
    ]
    return sorted([*_written_down(), *published], key=lambda tool: tool.name)


def _written_down() -> list[Tool]:
    tools: list[Tool] = []
    server = ""
    for line in _LINES.read_text().splitlines():
        if line.startswith("# "):
            server = line.removeprefix("# ")
        elif match := _LINE.fullmatch(line):
            tools.append(_tool(server, match["name"], match["description"], _schema(match["parameters"])))
    return tools


def _tool(server: str, name: str, description: str, parameters: JsonObject) -> Tool:
    return Tool(name=name, upstream=server, remote_name=name, description=description, parameters=parameters)


def _schema(parameters: str) -> JsonObject:
    names = [name for name in parameters.split(", ") if name]
    return {
        "type": "object",
        "properties": {name.removesuffix("?"): {"type": "string"} for name in names},
        "required": [name for name in names if not name.endswith("?")],
    }
