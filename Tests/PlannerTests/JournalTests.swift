import Calibration
import Foundation
import Glibc
import Plan
import Testing

@testable import Planner

@Suite("Journal")
struct JournalTests {
    private func settings(_ journal: Journal?) -> SearchSettings {
        var settings = SearchSettings()
        (settings.journal, settings.keep, settings.exhaustiveLimit) = (journal, 3, 1000)
        return settings
    }

    /// Everything that an answer holds, times apart.
    private func answer(_ result: SearchResult) -> String {
        let ranked = result.ranked.map { "\($0.index) \($0.value.bitPattern) \($0.bound.bitPattern)" }.joined(separator: "\n")
        return ranked
            + "\n\(result.space) \(result.bounded) \(result.tested) \(result.simulated) \(result.removed) \(result.isProven) \(String(describing: result.exhaustiveGap))"
    }

    /// A process can be killed after any byte. For every length that the file can have had, the rerun gives the same answer, and the file in
    /// the end is the same.
    @Test("a journal cut after any byte leads to the same answer")
    func anyCut() throws {
        let data = try CalibrationData.shipped()
        var small = try smallJob()
        small.layout.zero = 1
        var constraints = SearchConstraints()
        (constraints.zero, constraints.recompute, constraints.maxMicroBatch) = ([1], [.none], 1)
        (constraints.maxTensor, constraints.maxPipeline, constraints.schedules) = (1, 4, [.oneForwardOneBackward])
        let space = SearchSpace(job: small, constraints: constraints)
        #expect(space.choices.count >= 3)
        let file = TemporaryFile()
        let whole = answer(try search(space, objective: .time, data: data, settings: settings(nil)))
        #expect(
            answer(
                try search(
                    space, objective: .time, data: data, settings: settings(Journal(path: file.path, work: "search", identity: "a"))))
                == whole)
        let full = file.bytes
        let lines = full.count { $0 == 10 }
        #expect(lines == space.choices.count + 1)
        for length in 0...full.count {
            try file.write(full[..<length])
            let journal = try Journal(path: file.path, work: "search", identity: "a")
            let finished = full[..<length].count { $0 == 10 } - 1
            #expect(journal.recovered == max(0, finished), "cut after \(length) bytes")
            let result = try search(space, objective: .time, data: data, settings: settings(journal))
            #expect(answer(result) == whole, "cut after \(length) bytes")
            #expect(file.bytes == full, "cut after \(length) bytes")
        }
    }

    @Test("finished simulations are not repeated")
    func nothingRepeated() throws {
        let file = TemporaryFile()
        do {
            let journal = try Journal(path: file.path, work: "search", identity: "a")
            // A figure that no simulation gives: it can only be from the journal.
            journal.append(0, Evaluator.Outcome.figures(LayoutFigures(seconds: 1e-6)).line)
        }
        let space = try smallSpace()
        let result = try search(
            space, objective: .time, data: try CalibrationData.shipped(),
            settings: settings(Journal(path: file.path, work: "search", identity: "a")))
        #expect(result.recovered == 1)
        #expect(result.ranked.first?.value == 1e-6)
    }

    @Test("damage in the middle costs what follows it, and no more")
    func damage() throws {
        let file = TemporaryFile()
        do {
            let journal = try Journal(path: file.path, work: "search", identity: "a")
            for place in 0..<5 { journal.append(place, "payload \(place)") }
        }
        var bytes = file.bytes
        let third = try #require(String(decoding: bytes, as: UTF8.self).range(of: "payload 2")).lowerBound
        let at = String(decoding: bytes, as: UTF8.self).utf8.distance(from: String(decoding: bytes, as: UTF8.self).startIndex, to: third)
        bytes[at] ^= 1
        try file.write(bytes)
        let journal = try Journal(path: file.path, work: "search", identity: "a")
        #expect((0..<5).map { journal[$0] } == ["payload 0", "payload 1", nil, nil, nil])
        journal.append(2, "anew")
        #expect(journal.failure == nil)
        #expect(String(decoding: file.bytes, as: UTF8.self).split(separator: "\n").count == 4)
    }

    @Test("other work, other files and a second writer are refused, and nothing of theirs is touched")
    func refusals() throws {
        let file = TemporaryFile()
        do { _ = try Journal(path: file.path, work: "search", identity: "a") }
        let bytes = file.bytes
        #expect(throws: JournalError.self) { try Journal(path: file.path, work: "search", identity: "b") }
        #expect(throws: JournalError.self) { try Journal(path: file.path, work: "sweep", identity: "a") }
        #expect(file.bytes == bytes)
        do {
            let first = try Journal(path: file.path, work: "search", identity: "a")
            let error = #expect(throws: JournalError.self) { try Journal(path: file.path, work: "search", identity: "a") }
            #expect(error?.reason.contains("another run") == true)
            #expect(first.recovered == 0)
        }
        try file.write("precious notes\n")
        let error = #expect(throws: JournalError.self) { try Journal(path: file.path, work: "search", identity: "a") }
        #expect(error?.reason.contains("no journal") == true)
        #expect(file.bytes == Array("precious notes\n".utf8))
        for path in ["/no/such/folder/x", "/dev/null", NSTemporaryDirectory()] {
            #expect(throws: JournalError.self) { try Journal(path: path, work: "search", identity: "a") }
        }
    }

    @Test("outcomes read back as they were written")
    func lines() {
        let outcomes: [Evaluator.Outcome] = [
            .unfit, .overLimit, .impossible, .figures(LayoutFigures(seconds: 0.1, dollars: 1e-300, joules: .infinity, bytes: 80e9)),
        ]
        for outcome in outcomes { #expect(Evaluator.Outcome(line: outcome.line) == outcome) }
        for line in ["", "f", "f 1 2 3", "f x y z w", "?"] { #expect(Evaluator.Outcome(line: line) == nil) }
    }
}
