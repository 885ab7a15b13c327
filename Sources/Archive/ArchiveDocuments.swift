import Foundation
import Quantities

extension ArchiveEntry {
    /// "2026-12-01 04:30", UTC.
    public var when: String {
        let formatter = ISO8601DateFormatter()
        return String(formatter.string(from: Date(timeIntervalSince1970: time)).prefix(16)).replacing("T", with: " ")
    }

    /// The entry without scenario and result.
    public var json: JSONValue { .object(members) }

    /// The entry with all it has.
    public var document: JSONValue {
        .object(members + [("scenario", .string(scenario)), ("result", JSONValue(parsing: result) ?? .string(result))])
    }

    private var members: [(key: String, value: JSONValue)] {
        [
            ("id", .integer(Int(id))), ("time", .string(ISO8601DateFormatter().string(from: Date(timeIntervalSince1970: time)))),
            ("command", .string(command)), ("name", .string(name)), ("hash", .string(hash)), ("version", .string(version)),
            ("calibration", .string(calibration)), ("seed", .unsigned(seed)), ("wall_s", .number(wall)), ("count", .integer(Int(count))),
            ("parent", parent.map { .integer(Int($0)) } ?? .null), ("step_time_s", .optional(step)), ("mfu", .optional(mfu)),
            ("total_usd", .optional(dollars)), ("fits", fits.map { .bool($0) } ?? .null), ("tags", .array(tags.map { .string($0) })),
        ]
    }
}

extension JSONValue {
    /// A document as it was written; nil where it is none.
    init?(parsing text: String) {
        guard let json = try? JSON(parsing: Array(text.utf8)) else { return nil }
        self.init(json)
    }

    private init(_ json: JSON) {
        switch json {
        case .null: self = .null
        case .bool(let flag): self = .bool(flag)
        case .number(let number): self = .number(number)
        case .string(let text): self = .string(text)
        case .array(let items): self = .array(items.map { JSONValue($0) })
        case .object(let members): self = .object(members.map { ($0.key, JSONValue($0.value)) })
        }
    }
}

/// What differs between two entries.
public struct ArchiveDifference: Sendable {
    /// Of a key, a figure or a text: what stands there before and after; the ratio of figures minus one.
    public struct Line: Sendable, Hashable {
        public var path: String
        public var before: String
        public var after: String
        public var change: Double?
    }
    public let lines: [Line]

    /// - Parameter least: relative difference of figures below which they count as equal.
    public init(_ a: ArchiveEntry, _ b: ArchiveEntry, least: Double) {
        var lines: [Line] = []
        for (path, before, after) in [
            ("version", a.version, b.version), ("calibration", a.calibration, b.calibration), ("hash", a.hash, b.hash),
            ("seed", "\(a.seed)", "\(b.seed)"),
        ] where before != after {
            lines.append(Line(path: path, before: before, after: after))
        }
        lines += Self.lines("scenario", Self.leaves(ofText: a.scenario), Self.leaves(ofText: b.scenario), least: 0)
        lines += Self.lines("result", Self.leaves(ofJSON: a.result), Self.leaves(ofJSON: b.result), least: least)
        self.lines = lines
    }

    public var rows: [[String]] {
        lines.map { line in
            let change = line.change.map { ($0 > 0 ? "+" : "") + fixed($0 * 100, decimals: abs($0) < 0.001 ? 3 : 1) + " %" } ?? ""
            return [line.path, line.before, line.after, change]
        }
    }

    public var json: JSONValue {
        .array(
            lines.map {
                .object([
                    ("path", .string($0.path)), ("before", .string($0.before)), ("after", .string($0.after)),
                    ("change", .optional($0.change)),
                ])
            })
    }

    private typealias Leaf = (path: String, text: String, number: Double?)

    private static func lines(_ part: String, _ a: [Leaf], _ b: [Leaf], least: Double) -> [Line] {
        let (before, after) = (
            Dictionary(a.map { ($0.path, $0) }) { first, _ in first }, Dictionary(b.map { ($0.path, $0) }) { first, _ in first }
        )
        let paths = a.map(\.path) + b.map(\.path).filter { before[$0] == nil }
        return paths.compactMap { path in
            let (old, new) = (before[path], after[path])
            guard old?.text != new?.text else { return nil }
            var change: Double?
            if let x = old?.number, let y = new?.number {
                change = x != 0 ? y / x - 1 : nil
                if let change, abs(change) < least { return nil }
            }
            return Line(
                path: "\(part).\(path)", before: old.map { $0.number.map { significant($0, digits: 6) } ?? $0.text } ?? "-",
                after: new.map { $0.number.map { significant($0, digits: 6) } ?? $0.text } ?? "-", change: change)
        }
    }

    /// Values by their dotted paths; items of lists by their number. What says who made it is left to the entry.
    private static func leaves(ofJSON text: String) -> [Leaf] {
        guard let json = try? JSON(parsing: Array(text.utf8)) else { return [] }
        var leaves: [Leaf] = []
        func walk(_ json: JSON, _ path: String) {
            switch json {
            case .null: leaves.append((path, "null", nil))
            case .bool(let flag): leaves.append((path, "\(flag)", nil))
            case .number(let number): leaves.append((path, "\(number)", number))
            case .string(let text): leaves.append((path, text, nil))
            case .array(let items): for (index, item) in items.enumerated() { walk(item, "\(path)[\(index)]") }
            case .object(let members): for member in members { walk(member.value, path.isEmpty ? member.key : "\(path).\(member.key)") }
            }
        }
        walk(json, "")
        return leaves.filter { !["hash", "version", "seed"].contains($0.path) }
    }

    /// Lines of a scenario as the archive writes it: a section, and below it a key a line.
    private static func leaves(ofText text: String) -> [Leaf] {
        var leaves: [Leaf] = []
        var section = ""
        for line in text.split(separator: "\n") {
            guard let colon = line.firstRange(of: ":") else { continue }
            let (key, value) = (String(line[..<colon.lowerBound]), line[colon.upperBound...].drop { $0 == " " })
            if !key.hasPrefix(" ") {
                section = key
                if !value.isEmpty { leaves.append((key, String(value), nil)) }
            } else {
                leaves.append(("\(section).\(key.drop { $0 == " " })", String(value), nil))
            }
        }
        return leaves
    }
}
