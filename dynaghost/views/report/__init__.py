"""The report: one HTML file with everything that was found about a run, for a browser without a network."""

from dynaghost.views.report.page import report as report
from dynaghost.views.report.page import report_collection as report_collection
