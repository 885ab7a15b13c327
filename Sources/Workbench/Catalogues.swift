import Quantities
import Report
import Scenario
import Studies

/// What ships with the program, as documents that are made once.
struct Catalogues: Sendable {
    let all: String
    /// By name.
    let sections: [String: String]

    static let shared: Result<Catalogues, any Error> = Result { try Catalogues() }
    static var names: String { CatalogueSection.allCases.map(\.rawValue).joined(separator: ", ") }
    static let keys = SchemaEntry.json(Scenario.schema) + "\n"

    private init() throws {
        all = try CatalogueSection.json(nil) + "\n"
        sections = try Dictionary(
            uniqueKeysWithValues: CatalogueSection.allCases.map { ($0.rawValue, try CatalogueSection.json($0) + "\n") })
    }
}

/// Scenarios to start from. Each is a file of `scenarios/`, linked to, so that it is the one that is tested.
enum Presets {
    struct Preset: Sendable {
        var name: String
        var title: String
        var text: [UInt8]
    }

    static let all: [Preset] = [
        Preset(name: "first", title: "Llama 3 8B, 64 H100, 1 T tokens", text: PackageResources.first_yaml),
        Preset(name: "llama3-405b-16k", title: "Llama 3 405B, 16,384 H100", text: PackageResources.llama3_405b_16k_yaml),
        Preset(name: "llama3-54-days", title: "Llama 3 405B, 54 days with failures", text: PackageResources.llama3_54_days_yaml),
        Preset(name: "deepseek-v3-2048-h800", title: "DeepSeek-V3, 2,048 H800", text: PackageResources.deepseek_v3_2048_h800_yaml),
        Preset(name: "gpt3-175b-1k-a100", title: "GPT-3 175B, 1,024 A100", text: PackageResources.gpt3_175b_1k_a100_yaml),
        Preset(name: "megatron-1t-3072-a100", title: "GPT 1T, 3,072 A100", text: PackageResources.megatron_1t_3072_a100_yaml),
        Preset(name: "llama2-7b-fsdp-8xa100", title: "Llama 2 7B, FSDP on 8 A100", text: PackageResources.llama2_7b_fsdp_8xa100_yaml),
        Preset(name: "straggler", title: "One slow GPU", text: PackageResources.straggler_yaml),
        Preset(name: "does-not-fit", title: "A layout that does not fit", text: PackageResources.does_not_fit_yaml),
        Preset(name: "resnet50-128", title: "ResNet-50, 128 GPUs", text: PackageResources.resnet50_128_yaml),
    ]

    static let json: JSONValue = .array(
        all.map {
            .object([
                ("name", .string($0.name)), ("title", .string($0.title)), ("yaml", .string(String(decoding: $0.text, as: UTF8.self))),
            ])
        })
}

/// The files of the page. None comes from the file system, so that no path can lead there.
struct PageFile: Sendable {
    var path: String
    var type: String
    var bytes: @Sendable () -> [UInt8]

    static let all: [PageFile] = [
        PageFile(path: "/", type: "text/html; charset=utf-8") { PackageResources.page_html },
        PageFile(path: "/page.css", type: "text/css; charset=utf-8") { PackageResources.page_css },
        PageFile(path: "/report.css", type: "text/css; charset=utf-8") { RunAnswer.pageStyle },
        PageFile(path: "/base.js", type: "text/javascript; charset=utf-8") { PackageResources.base_js },
        PageFile(path: "/figures.js", type: "text/javascript; charset=utf-8") { PackageResources.figures_js },
        PageFile(path: "/form.js", type: "text/javascript; charset=utf-8") { PackageResources.form_js },
        PageFile(path: "/studies.js", type: "text/javascript; charset=utf-8") { PackageResources.studies_js },
        PageFile(path: "/page.js", type: "text/javascript; charset=utf-8") { PackageResources.page_js },
        PageFile(path: "/timeline.js", type: "text/javascript; charset=utf-8") { RunAnswer.timelineScript },
        PageFile(path: "/favicon.svg", type: "image/svg+xml") { PackageResources.favicon_svg },
    ]
}
