import Foundation
import Simulation
import Studies
import Testing

@testable import Report

@Suite("Pages")
struct PageTests {
    static let attack = "</script><script>alert(1)</script><img src=x onerror=alert(2)>'\"{{data}}"

    @Test("no text of a run becomes markup, in tables, titles or data")
    func escaping() throws {
        var report = try Fixture.report(name: Self.attack)
        report.hash = Self.attack
        report.version = Self.attack
        report.job.model.name = Self.attack
        report.job.cluster.accelerator.name = Self.attack
        report.job.software.framework = Self.attack
        report.result.warnings = [Self.attack]
        report.result.assumptions = [Assumption(subject: Self.attack, value: Self.attack, source: Self.attack)]
        report.result.timeline = [Span(rank: 0, stream: Self.attack, activity: .forward, label: Self.attack, startNS: 0, durationNS: 5)]
        report.result.traffic.byGroup = [Self.attack: 5]
        report.priceSources = [Self.attack: Self.attack]
        report.suggestions = [Self.attack]
        report.result.memory.capacity = 1
        let validation = ValidationReport(rows: [
            Fixture.row(Self.attack, measured: 1, predicted: 1, hardware: Self.attack),
            Fixture.row(Self.attack, measured: 1, predicted: nil, hardware: Self.attack),
        ])
        for html in [
            RunAnswer.html(of: [report], chart: nil), RunAnswer.html(of: [report, report], chart: nil),
            validation.html(version: Self.attack, chart: nil),
        ] {
            // Three script elements of our own: data, library, scripts.
            #expect(html.components(separatedBy: "<script").count == 4)
            #expect(html.components(separatedBy: "</script").count == 4)
            #expect(!html.contains("<img"))
            #expect(html.contains("&lt;/script&gt;&lt;script&gt;alert(1)"))
            // The template's own place for the data was filled once; the name's was left alone.
            #expect(html.contains("{{data}}"))
        }
    }

    @Test("a page loads nothing")
    func offline() throws {
        let html = RunAnswer.html(of: [try Fixture.report()], chart: nil)
        for word in ["http://", "https://", "src=", "@import", "url(", "fetch("] { #expect(!html.contains(word), "\(word)") }
        #expect(html.contains("default-src 'none'"))
    }

    @Test("equal runs give equal pages")
    func deterministic() throws {
        #expect(try RunAnswer.html(of: [Fixture.report()], chart: nil) == RunAnswer.html(of: [Fixture.report()], chart: nil))
    }

    @Test("a run without timeline, samples, stages, length or prices still makes a page")
    func bare() throws {
        var report = try Fixture.report()
        report.result.timeline = []
        report.result.stepTimesS = []
        report.result.memory.stages = []
        report.result.breakdownS = [:]
        report.result.step.timeS = Distribution(.nan)
        report.job.training.length = .oneStep
        report.bill = .init()
        let html = RunAnswer.html(of: [report], chart: nil)
        #expect(!html.contains("class=\"timeline\"") && !html.contains("data-chart=\"histogram\""))
        #expect(RunAnswer.html(of: [], chart: nil).contains("No run"))
    }

    @Test("a timeline is written as gap, duration, colour and label; weight gradients have their own colour")
    func timeline() {
        let spans = [
            Span(rank: 0, stream: "compute", activity: .backward, label: "B0", startNS: 30, durationNS: 10),
            Span(rank: 0, stream: "compute", activity: .forward, label: "F0", startNS: 5, durationNS: 20),
            Span(rank: 0, stream: "compute", activity: .backward, label: "W0", startNS: 40, durationNS: 7),
        ]
        // F0 starts 5 after 0; B0 5 after 25; W0 at once.
        #expect(
            TimelineData(spans).json.text(.compact)
                == #"{"tracks":[{"rank":0,"stream":"compute","spans":[5,20,0,0,5,10,1,1,0,7,2,2]}],"labels":["F0","B0","W0"],"colours":["forward","backward","weight"],"omitted":0}"#
        )
        // Of three, the two longest stay: F0 (20) and B0 (10).
        #expect(
            TimelineData(spans, limit: 2).json.text(.compact)
                == #"{"tracks":[{"rank":0,"stream":"compute","spans":[5,20,0,0,5,10,1,1]}],"labels":["F0","B0"],"colours":["forward","backward"],"omitted":1}"#
        )
    }

    @Test("a histogram counts every sample once")
    func histogram() throws {
        // 1, 2, ... 9 in 8 bins of width 1: the last holds 8 and 9.
        let histogram = try #require(Histogram((1...9).map(Double.init)))
        #expect(histogram.lower == 1 && histogram.width == 1 && histogram.counts == [1, 1, 1, 1, 1, 1, 1, 2])
        #expect(Histogram([2, 2, 2]) == nil && Histogram([]) == nil && Histogram([.nan, 1, .infinity]) == nil)
    }

    @Test("files are written into a directory that is made, and a place that cannot be written is named")
    func write() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("orrery-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: directory) }
        let inner = directory.appendingPathComponent("a/b").path
        let path = try RunAnswer.write([try Fixture.report()], to: inner, chart: nil)
        #expect(path == inner + "/report.html")
        #expect(try String(contentsOfFile: path, encoding: .utf8).hasPrefix("<!DOCTYPE html>"))
        let error = #expect(throws: ReportError.self) {
            try RunAnswer.write([try Fixture.report()], to: path + "/below-a-file", chart: nil)
        }
        #expect(error?.path == path + "/below-a-file/report.html")
        let trace = inner + "/run.json"
        try Fixture.report().writeTrace(to: trace)
        #expect(try Data(contentsOf: URL(fileURLWithPath: trace)) == Data(Fixture.report().trace()))
        #expect(throws: ReportError.self) { try Fixture.report().writeTrace(to: path + "/below-a-file") }
    }
}
