import Quantities
import Scenario

/// Where something stands in a launch file.
public struct LaunchPlace: Sendable, Hashable, CustomStringConvertible {
    public var file: String
    /// From 1.
    public var line: Int
    public init(file: String, line: Int) { (self.file, self.line) = (file, line) }
    /// The file's name without its folders, and the line.
    public var description: String { "\(file.split(separator: "/").last.map(String.init) ?? file):\(line)" }
}

/// One setting of somebody's launch file: `--num-layers 32` of a command, `zero_optimization.stage: 3` of a document.
public struct LaunchSetting: Sendable, Hashable {
    /// As it is written, without leading dashes; the dotted path in a document.
    public var name: String
    /// None for a bare flag; several for a list.
    public var values: [String]
    public var place: LaunchPlace
    /// Whether it is an option of a command line.
    public var isOption: Bool
    /// Why `values` cannot be told without running something; nil where they can.
    public var unknown: String?

    public init(name: String, values: [String], place: LaunchPlace, isOption: Bool, unknown: String? = nil) {
        (self.name, self.values, self.place, self.isOption, self.unknown) = (name, values, place, isOption, unknown)
    }

    /// The name with `_` for `-`: programs take both.
    var key: String { name.replacing("-", with: "_") }
    var value: String { values.first ?? "" }
    public var shownName: String { isOption ? (name.count == 1 ? "-\(name)" : "--\(name)") : name }
    /// `--num-layers 32`, `training.steps: 100`.
    public var shown: String {
        let text = values.count > 1 && !isOption ? "[\(values.joined(separator: ", "))]" : values.joined(separator: " ")
        return isOption ? (text.isEmpty ? shownName : "\(shownName) \(text)") : "\(shownName): \(text)"
    }
}

/// What became of a setting.
public struct LaunchVerdict: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable {
        /// It is in the scenario.
        case taken
        /// It changes neither time nor memory nor cost.
        case harmless
        /// It has no counterpart in a scenario.
        case refused
    }
    public var kind: Kind
    /// The scenario key that it became; empty unless it is taken.
    public var key: String
    public var reason: String
}

func launchFault(_ place: LaunchPlace, _ key: String, _ reason: String, _ advice: String) -> ScenarioErrors {
    ScenarioErrors([ScenarioError(file: place.file, line: place.line, column: 1, keyPath: key, reason: reason, suggestion: advice)])
}

/// The settings of a launch, and what became of each.
struct LaunchSettings {
    private(set) var all: [LaunchSetting]
    private(set) var verdicts: [Int: LaunchVerdict] = [:]
    /// What was noticed on the way.
    var remarks: [String] = []
    let file: String
    private var latest: [String: Int] = [:]

    /// Of settings with one name the last counts, as the programs have it.
    /// - Parameter key: by what a setting is asked for.
    init(_ settings: [LaunchSetting], file: String, key: (LaunchSetting) -> String = { $0.key }) {
        all = settings
        self.file = file
        for (index, setting) in settings.enumerated() {
            let key = key(setting).lowercased()
            if let before = latest[key] {
                // Two settings that only end alike: the first is meant.
                guard settings[before].key == setting.key else { continue }
                let same = settings[before].values == setting.values
                verdicts[before] = LaunchVerdict(
                    kind: .harmless, key: "", reason: same ? "given twice" : "given again at \(setting.place), where it counts")
                if !same { remarks.append("\(settings[before].shown) (\(settings[before].place)) is given again: \(setting.shown) counts") }
            }
            latest[key] = index
        }
    }

    /// The first of these names that is given; nothing is marked. Names with `_`.
    func find(_ names: [String]) -> LaunchSetting? { index(names).map { all[$0] } }
    private func index(_ names: [String]) -> Int? { names.compactMap { latest[$0.lowercased()] }.first }

    func has(_ name: String) -> Bool { find([name]) != nil }

    /// The setting, marked as taken into `key`.
    mutating func take(_ names: [String], for key: String, _ reason: String = "") -> LaunchSetting? {
        guard let index = index(names) else { return nil }
        mark(index, LaunchVerdict(kind: .taken, key: key, reason: reason))
        return all[index]
    }

    mutating func judge(_ names: [String], _ kind: LaunchVerdict.Kind, _ reason: String) {
        for name in names {
            guard let index = latest[name.lowercased()] else { continue }
            mark(index, LaunchVerdict(kind: kind, key: "", reason: reason))
        }
    }

    private mutating func mark(_ index: Int, _ verdict: LaunchVerdict) { verdicts[index] = verdict }

    /// Settings that nothing has judged yet.
    var open: [(index: Int, setting: LaunchSetting)] { all.indices.filter { verdicts[$0] == nil }.map { ($0, all[$0]) } }

    mutating func close(_ index: Int, _ verdict: LaunchVerdict) { mark(index, verdict) }
}

extension LaunchSettings {
    /// A whole number of at least `least`, marked as taken.
    /// - Throws: `ScenarioErrors` where it is none, or comes from what is not run.
    mutating func integer(_ names: [String], for key: String, least: Int = 1) throws(ScenarioErrors) -> (value: Int, from: LaunchSetting)? {
        guard let setting = take(names, for: key) else { return nil }
        if ["none", "null", "auto"].contains(setting.value.lowercased()) { return nil }
        try known(setting)
        guard let value = wholeNumber(setting.value), value >= least else {
            throw launchFault(
                setting.place, setting.shownName, "\"\(setting.value)\" is no whole number of at least \(least)",
                "write a number, such as \(setting.isOption ? "\(setting.shownName) \(max(1, least))" : "\(max(1, least))")")
        }
        return (value, setting)
    }

    mutating func number(_ names: [String], for key: String) throws(ScenarioErrors) -> (value: Double, from: LaunchSetting)? {
        guard let setting = take(names, for: key) else { return nil }
        if ["none", "null", "auto"].contains(setting.value.lowercased()) { return nil }
        try known(setting)
        guard let value = decimalNumber(setting.value) else {
            throw launchFault(setting.place, setting.shownName, "\"\(setting.value)\" is no number", "write a number")
        }
        return (value, setting)
    }

    mutating func word(_ names: [String], for key: String) throws(ScenarioErrors) -> (value: String, from: LaunchSetting)? {
        guard let setting = take(names, for: key) else { return nil }
        try known(setting)
        return setting.value.isEmpty || ["none", "null"].contains(setting.value.lowercased()) ? nil : (setting.value, setting)
    }

    /// A flag: there, `true`, `1`, `yes`. Nil where it is not given.
    mutating func flag(_ names: [String], for key: String) throws(ScenarioErrors) -> (value: Bool, from: LaunchSetting)? {
        guard let setting = take(names, for: key) else { return nil }
        guard setting.unknown == nil, let text = setting.values.first?.lowercased() else {
            if !setting.isOption { try known(setting) }
            return (true, setting)
        }
        switch text {
        case "true", "1", "yes", "on", "y": return (true, setting)
        case "false", "0", "no", "off", "n", "none", "null": return (false, setting)
        default:
            // A bare flag in front of a positional argument.
            if setting.isOption { return (true, setting) }
            throw launchFault(setting.place, setting.shownName, "\"\(setting.value)\" is neither true nor false", "write true or false")
        }
    }

    private func known(_ setting: LaunchSetting) throws(ScenarioErrors) {
        guard let why = setting.unknown else { return }
        throw launchFault(
            setting.place, setting.shownName, "its value comes from \(why), and nothing of a launch file is ever run",
            "write the value in the file, or give it with --define NAME=VALUE")
    }
}

/// A whole number as programs write it: `4096`, `4_096`, `1e9`, `8.0`.
func wholeNumber(_ text: String) -> Int? {
    let plain = text.replacing("_", with: "")
    if let value = Int(plain) { return value }
    guard let value = Double(plain), value.isFinite, abs(value) < 9e15, value == value.rounded() else { return nil }
    return Int(value)
}

func decimalNumber(_ text: String) -> Double? {
    guard let value = Double(text.replacing("_", with: "")), value.isFinite else { return nil }
    return value
}
