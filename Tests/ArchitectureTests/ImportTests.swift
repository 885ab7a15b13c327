import Foundation
import Testing

@Suite("Imports go downwards only")
struct ImportTests {
    @Test("Package.swift lists each target below those it uses")
    func order() throws {
        let manifest = Manifest(text: try Checkout.text("Package.swift"))
        // Were the reader blind, nothing would be found and nothing could fail.
        let names = manifest.targets.map(\.name)
        #expect(names.first == "CGSL")
        #expect(names.contains("orrery"))
        #expect(names.filter { $0.hasSuffix("Tests") }.count >= 8)
        #expect(manifest.targets.first { $0.name == "orrery" }?.products == ["ArgumentParser"])
        #expect(manifest.faultsOfOrder() == [])
    }

    @Test("Every import of Sources is declared and stands above", arguments: ["Sources", "Tests"])
    func imports(folder: String) throws {
        let manifest = Manifest(text: try Checkout.text("Package.swift"))
        let modules = try Checkout.importsByModule(below: folder)
        #expect(modules.count >= 8)
        #expect(modules.reduce(0) { $0 + $1.imports.count } > 50)
        for (module, imports) in modules {
            #expect(manifest.faults(importing: imports, target: module) == [], "\(module)")
        }
    }

    @Test("Every folder of Sources and Tests is a target, and the other way round")
    func folders() throws {
        let manifest = Manifest(text: try Checkout.text("Package.swift"))
        let sources = try Checkout.names(in: "Sources")
        let tests = try Checkout.names(in: "Tests")
        // What tests share is a library that stands among them.
        let (shared, rest) = (manifest.targets.filter { $0.name == "TestSupport" }, manifest.targets.filter { $0.name != "TestSupport" })
        #expect(Set(sources) == Set(rest.filter { $0.kind != .test }.map(\.name)))
        #expect(Set(tests) == Set((rest.filter { $0.kind == .test } + shared).map(\.name)))
    }

    /// Low <- Middle <- High in the manifest; Middle imports High (upward), Yams (undeclared) and, in a comment and a text, things that do not count.
    @Test("A tree with faults is told from one without")
    func syntheticTree() throws {
        let base = FileManager.default.temporaryDirectory.appending(path: "orrery-imports-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: base) }
        let manifest = Manifest(
            text: """
                let package = Package(targets: [
                    .target(name: "Low"),
                    // .target(name: "Gone", dependencies: ["High"]),
                    .target(
                        name: "Middle", dependencies: ["Low"], resources: [.embedInCode("Resources")]),
                    .target(name: "High", dependencies: ["Low", "Middle", .product(name: "Yams", package: "Yams")]),
                ])
                """)
        #expect(manifest.targets.map(\.name) == ["Low", "Middle", "High"])
        #expect(manifest.targets[2].targets == ["Low", "Middle"])
        #expect(manifest.faultsOfOrder() == [])
        let files = [
            "Low/A.swift": "import Foundation\n",
            "Middle/B.swift":
                "import Low\n/* import Nothing\nimport Comment */\nlet t = \"\"\"\nimport Text\n\"\"\"\n@testable import High\nimport struct Yams.Node\n",
            "High/C.swift": "public import Middle\nimport Yams\n",
            "Stray/D.swift": "import Low\n",
        ]
        for (path, text) in files {
            let url = base.appending(path: "Sources/\(path)")
            try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try text.write(to: url, atomically: true, encoding: .utf8)
        }
        let faults = try Checkout.importsByModule(below: "Sources", base: base).flatMap {
            manifest.faults(importing: $0.imports, target: $0.module)
        }
        #expect(
            Set(faults) == [
                Fault(kind: .upward, place: "Sources/Middle/B.swift:7", module: "High"),
                Fault(kind: .undeclared, place: "Sources/Middle/B.swift:8", module: "Yams"),
                Fault(kind: .unknown, place: "Sources/Stray", module: "Stray"),
            ])
    }

    @Test("A manifest whose order is wrong is found out")
    func wrongOrder() {
        let manifest = Manifest(text: #".target(name: "A", dependencies: ["B", "C"]), .target(name: "B")"#)
        #expect(
            manifest.faultsOfOrder() == [
                Fault(kind: .upward, place: "Package.swift, A", module: "B"), Fault(kind: .unknown, place: "Package.swift, A", module: "C"),
            ])
    }
}
