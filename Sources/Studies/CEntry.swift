import Foundation
import Quantities
import Scenario

/// What `orrery run --json` answers to a scenario's text; where it is at fault, `{"errors": [...]}` with file, line, column, key, reason and
/// suggestion of each fault.
/// - Parameter file: names the text in messages; relative paths in it start from this file's folder.
public func runToJSON(yaml: String, file: String = "scenario.yaml") -> String {
    do {
        let scenario = try Scenario.load(yaml: yaml, file: file)
        if let refusal = scenario.variation { throw ScenarioErrors([refusal]) }
        return try Study.shipped().run(scenario).json()
    } catch let errors as ScenarioErrors { return errors.json.text() + "\n" } catch {
        return ScenarioErrors([
            ScenarioError(file: file, line: 1, column: 1, keyPath: "", reason: "\(error)", suggestion: "")
        ]).json.text() + "\n"
    }
}

extension ScenarioErrors {
    /// `{"errors": [...]}`.
    public var json: JSONValue {
        .object([
            (
                "errors",
                .array(
                    errors.map {
                        .object([
                            ("file", .string($0.file)), ("line", .integer($0.line)), ("column", .integer($0.column)),
                            ("key", .string($0.keyPath)), ("reason", .string($0.reason)), ("suggestion", .string($0.suggestion)),
                        ])
                    })
            )
        ])
    }
}

/// `char *orrery_run(const char *yaml)`: `runToJSON` for C and what speaks it. Text is UTF-8, both ways; the answer is freed with `orrery_free`.
/// Safe to call from several threads. NULL only where memory is exhausted.
@_cdecl("orrery_run")
public func orreryRun(_ yaml: UnsafePointer<CChar>?) -> UnsafeMutablePointer<CChar>? {
    strdup(runToJSON(yaml: yaml.map { String(cString: $0) } ?? ""))
}

/// `void orrery_free(char *answer)`.
@_cdecl("orrery_free")
public func orreryFree(_ answer: UnsafeMutablePointer<CChar>?) { free(answer) }
