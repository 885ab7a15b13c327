import Foundation
import Quantities
import Studies

/// Why a report could not be written.
public struct ReportError: Error, Sendable, CustomStringConvertible {
    public let path: String
    public let reason: String
    public var description: String { "\(path): cannot be written: \(reason)" }
}

/// A self-contained page: style, data, charts and scripts stand inside, nothing is fetched.
struct Page {
    var title: String
    /// Above the content, under the title.
    var subtitle: Markup
    var content: Markup
    var data: JSONValue
    /// Scripts of this program, run in order after the data.
    var scripts: [[UInt8]]
    var version: String

    func html(chart: ChartLibrary?) -> String {
        filled(
            text(PackageResources.report_html),
            [
                "title": escaped(title), "subtitle": subtitle.html, "style": text(PackageResources.report_css),
                "note": chart == nil ? text(PackageResources.nocharts_html) : "", "content": content.html,
                "definitions": text(PackageResources.definitions_html), "data": data.text(.embedded), "chart": chart?.source ?? "",
                "scripts": scripts.map(text).joined(separator: "\n"), "version": escaped(version),
            ])
    }

    private func text(_ resource: [UInt8]) -> String { String(decoding: resource, as: UTF8.self) }
}

extension RunAnswer {
    /// One page about one run, or about several compared.
    /// - Parameter chart: nil writes the page with tables and a note instead of charts.
    public static func html(of reports: [RunAnswer], chart: ChartLibrary? = .installed()) -> String {
        let several = reports.count > 1
        let limit = TimelineData.limit(runs: reports.count)
        var content: Markup = several ? ComparisonSections(reports).markup : ""
        for (index, report) in reports.enumerated() {
            let sections = RunSections(report: report, index: index, spanLimit: limit).markup
            if several {
                let open: Markup = index == 0 ? " open" : ""
                content =
                    content
                    + "<details class=\"run\"\(open)><summary><span class=\"run-name\">\(report.scenario)</span> <span class=\"run-facts\">\(report.facts)</span></summary>\n\(sections)</details>\n"
            } else {
                content = content + sections
            }
        }
        let title = several ? "\(reports.count) runs compared" : reports.first?.scenario ?? "No run"
        return Page(
            title: title,
            subtitle: several ? "<p class=\"lead\">\(reports.map(\.scenario).joined(separator: " · "))</p>" : reports.first?.lead ?? "",
            content: content, data: .object([("runs", .array(reports.map { $0.pageData(limit: limit) }))]),
            scripts: [PackageResources.report_js, PackageResources.timeline_js, PackageResources.finish_js],
            version: reports.first?.version ?? ""
        ).html(chart: chart)
    }

    /// Writes `report.html` into `directory`, which is made if needed.
    /// - Returns: the file's path.
    /// - Throws: `ReportError` where the directory or the file cannot be written.
    @discardableResult
    public static func write(
        _ reports: [RunAnswer], to directory: String, chart: ChartLibrary? = .installed()
    ) throws(ReportError) -> String {
        try writeFile(html(of: reports, chart: chart), named: "report.html", in: directory)
    }

    /// Writes the trace events of `trace()` to a file.
    /// - Throws: `ReportError` where it cannot be written.
    public func writeTrace(to path: String) throws(ReportError) {
        do {
            try Data(trace()).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw ReportError(path: path, reason: error.localizedDescription)
        }
    }

    var facts: String {
        "\(time(result.step.timeS.mean)) a step, MFU \(percent(result.step.mfu)), \(job.machinesInWords)"
    }

    var lead: Markup { "<p class=\"lead\">\(job.model.name) on \(job.machinesInWords)</p>" }
}

extension ValidationReport {
    /// The score as a page with predicted against measured step times.
    public func html(version: String, chart: ChartLibrary? = .installed()) -> String {
        Page(
            title: "Validation against measured runs",
            subtitle: "<p class=\"lead\">\(grouped(rows.count)) measured runs, predicted and compared</p>",
            content: ValidationSections(report: self).markup, data: pageData,
            scripts: [PackageResources.report_js, PackageResources.validation_js, PackageResources.finish_js], version: version
        ).html(chart: chart)
    }

    /// Writes `validation.html` into `directory`, which is made if needed.
    /// - Returns: the file's path.
    /// - Throws: `ReportError` where the directory or the file cannot be written.
    @discardableResult
    public func write(to directory: String, version: String, chart: ChartLibrary? = .installed()) throws(ReportError) -> String {
        try writeFile(html(version: version, chart: chart), named: "validation.html", in: directory)
    }
}

/// Replaces the file as a whole, so that an interrupted run leaves the old page.
func writeFile(_ text: String, named name: String, in directory: String) throws(ReportError) -> String {
    let path = (directory as NSString).appendingPathComponent(name)
    do {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
        // Foundation gives this case no words of its own.
        var isFolder = ObjCBool(false)
        let stands = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
        throw ReportError(path: path, reason: stands ? "a folder of this name stands there" : error.localizedDescription)
    }
    return path
}
