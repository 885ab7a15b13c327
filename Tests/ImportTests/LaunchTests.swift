import Foundation
import Scenario
import Testing

@testable import Import

@Suite("Launch files become scenarios")
struct LaunchTests {
    @Test("Each file gives a scenario with what was read off it by hand", arguments: LaunchCase.all)
    func imported(_ launch: LaunchCase) throws {
        let made = try importLaunch(launch.request)
        for (key, value) in launch.keys.sorted(by: { $0.key < $1.key }) {
            #expect(made.line(key) == value, "\(launch.file): \(key)")
        }
        // Nothing is dropped: each setting has a verdict and stands in the text.
        for (setting, _) in made.settings { #expect(made.yaml.contains(setting.place.description), "\(launch.file): \(setting.shown)") }
        #expect(
            made.settings.allSatisfy { $0.verdict.reason != "an option that is not known here" },
            "\(launch.file): \(made.settings.filter { $0.verdict.reason == "an option that is not known here" }.map(\.setting.shown))")
        #expect(
            !made.yaml.split(separator: "\n").contains { line in
                !line.hasPrefix("#") && !line.contains("#") && !line.hasSuffix(":") && !line.hasPrefix("orrery") && !line.hasPrefix("name")
                    && !line.isEmpty
            })
    }

    @Test("There are forty of them and more, and every file of the folder is used")
    func count() throws {
        #expect(LaunchCase.all.count >= 40)
        let parts = ["llama3-common.sh", "llama.args", "config_common.sh"]
        for format in LaunchFormat.allCases {
            let files = try FileManager.default.contentsOfDirectory(atPath: "\(LaunchCase.folder)/\(format.rawValue)")
            for file in files where !parts.contains(file) {
                #expect(LaunchCase.all.contains { $0.format == format && $0.file == file }, "\(file) has no case")
            }
        }
    }
}

extension ImportedScenario {
    /// The value of a key as the text has it.
    func line(_ key: String) -> String? {
        var path: [String] = []
        for line in yaml.split(separator: "\n") where !line.hasPrefix("#") && line.contains(":") {
            let depth = line.prefix { $0 == " " }.count / 2
            let bare = line.drop { $0 == " " }
            guard let colon = bare.firstIndex(of: ":") else { continue }
            path = Array(path.prefix(depth)) + [String(bare[..<colon])]
            guard path.joined(separator: ".") == key else { continue }
            let value = bare[bare.index(after: colon)...].split(separator: "  # ", maxSplits: 1).first ?? ""
            return value.trimmingCharacters(in: .whitespaces)
        }
        return nil
    }
}
