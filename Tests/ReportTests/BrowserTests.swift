import Foundation
import Simulation
import Studies
import Testing

@testable import Report

/// Headless Chromium, where there is one.
enum Browser {
    static let path = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }
    static let missing: Comment = "chromium is not installed (apt install chromium)"

    struct Failure: Error { let status: Int32 }

    /// Runs the browser on a page. Output goes through files, so that no pipe can fill.
    static func run(_ arguments: [String], page: URL, in directory: URL, height: Int = 1600) throws -> String {
        let output = directory.appendingPathComponent("out-\(arguments.count)-\(UUID().uuidString).txt")
        try Data().write(to: output)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(path))
        process.arguments =
            [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                "--virtual-time-budget=4000",
                "--user-data-dir=\(directory.path)/profile-\(UUID().uuidString)", "--window-size=1240,\(height)",
            ] + arguments + [page.absoluteString]
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(status: process.terminationStatus) }
        return try String(contentsOf: output, encoding: .utf8)
    }

    /// Width, height and bytes of a PNG (its header: ISO/IEC 15948, IHDR).
    static func png(_ url: URL) throws -> (width: Int, height: Int, bytes: Int) {
        let data = [UInt8](try Data(contentsOf: url))
        try #require(data.count > 24 && Array(data[1...3]) == Array("PNG".utf8))
        func number(_ at: Int) -> Int { data[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
        return (number(16), number(20), data.count)
    }
}

@Suite("Pages in a browser", .serialized, .enabled(if: Browser.path != nil, Browser.missing))
struct BrowserTests {
    /// Kept where `ORRERY_SCREENSHOTS` says, to be looked at.
    private func withDirectory(_ body: (URL) throws -> Void) throws {
        let kept = ProcessInfo.processInfo.environment["ORRERY_SCREENSHOTS"]
        let directory =
            kept.map { URL(fileURLWithPath: $0) }
            ?? FileManager.default.temporaryDirectory.appendingPathComponent("orrery-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { if kept == nil { try? FileManager.default.removeItem(at: directory) } }
        try body(directory)
    }

    /// Renders a page: it must say that its last script ended, that none failed, and how many charts were drawn.
    private func check(_ html: String, name: String, charts: Int, height: Int = 1600, in directory: URL) throws {
        let page = directory.appendingPathComponent("\(name).html")
        try html.write(to: page, atomically: true, encoding: .utf8)
        let dom = try Browser.run(["--dump-dom"], page: page, in: directory, height: height)
        #expect(dom.contains("data-ready=\"yes\""))
        #expect(!dom.contains("data-error="))
        #expect(dom.contains("data-charts=\"\(charts)\""))
        let picture = directory.appendingPathComponent("\(name).png")
        _ = try Browser.run(["--screenshot=\(picture.path)"], page: page, in: directory, height: height)
        let png = try Browser.png(picture)
        #expect(png.width == 1240 && png.height == height)
        // An empty page of this size compresses to less than 20 kB.
        #expect(png.bytes > 60_000)
    }

    private var drawn: Bool { ChartLibrary.installed() != nil }

    @Test("one run with sixteen stages draws breakdown, histogram and memory")
    func oneRun() throws {
        let html = RunAnswer.html(of: [try Fixture.report()])
        try withDirectory { try check(html, name: "one", charts: drawn ? 3 : 0, height: 3000, in: $0) }
    }

    @Test("two runs draw four comparisons, and the charts of the first, which stands open")
    func twoRuns() throws {
        let html = RunAnswer.html(of: [
            try Fixture.report(),
            try Fixture.report(name: "llama3-405b-16k, layout.pipeline = 8", stages: 8, scale: 1.125, extraActivations: 45e9),
        ])
        // The second run's three are drawn when it is opened.
        try withDirectory { try check(html, name: "two", charts: drawn ? 7 : 0, height: 3600, in: $0) }
    }

    @Test("a page without the chart library still runs its scripts and draws the timeline")
    func withoutLibrary() throws {
        let html = RunAnswer.html(of: [try Fixture.report()], chart: nil)
        #expect(html.contains("apt install libjs-chart.js"))
        try withDirectory { try check(html, name: "tables", charts: 0, height: 2400, in: $0) }
    }

    @Test("the validation page draws its scatter")
    func validation() throws {
        let rows = (0..<60).map { index -> ValidationRow in
            let measured = 0.5 * Double(1 + index * index % 37)
            return Fixture.row(
                "row-\(index)", measured: measured, predicted: index % 17 == 0 ? nil : measured * (1 + 0.2 * sin(Double(index))),
                hardware: ["a100-sxm-80gb", "h100-sxm-80gb", "b200-sxm-180gb"][index % 3])
        }
        let html = ValidationReport(rows: rows).html(version: "0.1.0")
        try withDirectory { try check(html, name: "validation", charts: drawn ? 2 : 0, height: 2400, in: $0) }
    }

    @Test("the timeline zooms by dragging and names the span under the pointer")
    func interaction() throws {
        var report = try Fixture.report(stages: 2)
        // Two spans of 10 ms: dragging over the right half of the plot leaves only the second in view.
        report.result.timeline = (0..<2).map {
            Span(rank: 0, stream: "compute", activity: .forward, label: "F\($0)", startNS: Int64($0) * 10_000_000, durationNS: 10_000_000)
        }
        let script = """
            <script>{
              const canvas = document.querySelector(".timeline canvas"), box = canvas.getBoundingClientRect(), middle = 64 + (box.width - 64) / 2;
              canvas.setPointerCapture = () => {};
              const send = (type, x) => canvas.dispatchEvent(new PointerEvent(type, { clientX: box.left + x, clientY: box.top + 30, pointerId: 1 }));
              const tip = document.querySelector(".tip"), out = document.documentElement.dataset;
              send("pointermove", 80); out.before = tip.textContent.split("\\n")[0];
              send("pointerdown", middle + 5); send("pointermove", box.width - 2); send("pointerup", box.width - 2);
              send("pointermove", 80); out.after = tip.textContent.split("\\n")[0];
              document.querySelector("[data-do=all]").click(); send("pointermove", 80); out.again = tip.textContent.split("\\n")[0];
            }</script></body>
            """
        let html = RunAnswer.html(of: [report], chart: nil).replacing("</body>", with: script)
        try withDirectory { directory in
            let page = directory.appendingPathComponent("interaction.html")
            try html.write(to: page, atomically: true, encoding: .utf8)
            let dom = try Browser.run(["--dump-dom"], page: page, in: directory)
            #expect(dom.contains("data-before=\"F0  (forward)\""))
            #expect(dom.contains("data-after=\"F1  (forward)\""))
            #expect(dom.contains("data-again=\"F0  (forward)\""))
            #expect(!dom.contains("data-error="))
        }
    }

    @Test("a timeline of 200,000 spans is drawn")
    func hugeTimeline() throws {
        var report = try Fixture.report(stages: 4)
        report.result.timeline = (0..<200_000).map { index in
            Span(
                rank: index % 4, stream: index % 8 < 4 ? "compute" : "tensor", activity: index % 3 == 0 ? .forward : .tensorComm,
                label: "k\(index % 500)",
                startNS: Int64(index) * 2500, durationNS: 9000)
        }
        let html = RunAnswer.html(of: [report])
        // 200,000 spans in at most 16 bytes each, beside style, scripts and library.
        #expect(html.utf8.count < 200_000 * 20 + 400_000)
        try withDirectory { try check(html, name: "huge", charts: drawn ? 3 : 0, height: 1600, in: $0) }
    }
}
